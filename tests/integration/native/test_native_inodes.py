"""Files have the device of their folder: what is asked of a root file system, and what an overlay breaks by default."""


def test_file_of_a_lower_layer_has_the_device_of_its_folder(sh):
    devices = sh("stat -c %d / /etc /etc/passwd /bin/env").split()
    assert len(set(devices)) == 1, devices


def test_file_that_is_written_has_the_device_of_its_folder(sh):
    devices = sh("echo x > ~/new; stat -c %d ~ ~/new; mv ~/new ~/moved; stat -c %d ~/moved").split()
    assert len(set(devices)) == 1, devices


def test_file_keeps_its_number_when_it_is_copied_up(sh):
    before, after = sh("stat -c %i /home/app; touch ~/new; stat -c %i /home/app").split()
    assert before == after
