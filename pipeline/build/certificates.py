"""The certificates that an image trusts: their links and their bundle are made in one process, and not in 1,350.

``update-ca-certificates`` starts four to six programs for each certificate, and is run twice when its package is
installed. A program that does the same stands in its place while scripts run, if the script is one of those that it was
written after; whatever it finds unusual, it leaves to the script. Perl is there before any package is configured.

The script that asks which certificates are trusted looks for each one in the list of before, with two programs. Where
there is no list, the answer is no, and stands in the script while it is run.

Source: Debian's ca-certificates, ``sbin/update-ca-certificates`` and its ``config``; update-ca-certificates(8).
"""

from collections.abc import Collection

from pipeline.build.left_out import PACKAGES

PACKAGE = "ca-certificates"
SCRIPT = "/usr/sbin/update-ca-certificates"
LIST = "/etc/ca-certificates.conf"
CONFIG = "/var/lib/dpkg/info/ca-certificates.config"
_KEPT = f"/{PACKAGES}/ca-certificates.config"
_LOOK_UP = '(echo "$CERTS_[A-Z]*" | grep -F -q -x "$crt") > /dev/null 2>&1'
"""A basic regular expression of how it looks: dollars amid one mean themselves."""

KNOWN = (
    "2cb06c85b5f01c4f6b72c3983d9f66d44aac0a7ac997ee55e7e429aedbc3934d",  # bookworm, trixie
    "395364bffc7ce85ccbe2de71215f9c6c85c024af3bbd991c75a01c2d2aa3080a",  # bullseye
)
"""SHA-256 of the scripts after which the program was written."""

PROGRAM = r"""#!/usr/bin/perl
use strict;
use warnings;

my ($list, $from) = ("/etc/ca-certificates.conf", "/usr/share/ca-certificates");
my ($local, $hooks) = ("/usr/local/share/ca-certificates", "/etc/ca-certificates/update.d");
my ($to, $bundle) = ("/etc/ssl/certs", "ca-certificates.crt");

sub leave { exec {"$0.kept"} $0, @ARGV or die "$0.kept: $!\n" }

sub names { opendir my $folder, $_[0] or return (); return grep { !/^\.\.?$/ } readdir $folder }

sub content {
    open my $file, "<", $_[0] or die "$_[0]: $!\n";
    local $/;
    return <$file> // "";
}

my $is_silent = @ARGV == 2 && $ARGV[0] eq "--hooksdir" && $ARGV[1] eq "";
leave() if @ARGV && !$is_silent or names($local) or !$is_silent && names($hooks) or -x "/sbin/restorecon";
leave() unless -s $list && chdir $to and !-e "$bundle.new" and !grep { -d && !-l } names(".");
my $listed = content($list);
leave() unless $listed =~ /\n\z/;
my %link;
my @certificates;
for (grep { !/^(#|$)/ } split /\n/, $listed) {
    leave() unless m{^[\w./=+\x80-\xff-]*?([\w.=+\x80-\xff-]+)\.crt$}a && -f "$from/$_";
    leave() if $link{"$1.pem"} || -d "$1.pem";
    $link{"$1.pem"} = "$from/$_";
    push @certificates, "$1.pem";
}

# The script has files of its own there: a folder in which something was is another one afterwards.
open my $own, ">", "/tmp/ca-certificates.tmp.$$" or die "/tmp: $!\n";
unlink "/tmp/ca-certificates.tmp.$$";

my $is_changed;
open my $out, ">", "$bundle.new" or die "$to/$bundle.new: $!\n";
for my $name (@certificates) {
    my $found = readlink $name;
    if (!-e $name || !defined $found || $found ne $link{$name}) {
        unlink $name;
        symlink $link{$name}, $name or die "$to/$name: $!\n";
        $is_changed = 1;
    }
    my $text = content($link{$name});
    print $out $text, $text =~ /[^\n]\z/ ? "\n" : "";
}
close $out or die "$to/$bundle.new: $!\n";
if ($is_changed) {
    unlink grep { -l && !-e } names(".");
    if (system "openssl rehash . > /dev/null") { unlink "$bundle.new"; exit 1 }
}
chmod 0644, "$bundle.new";
rename "$bundle.new", $bundle or die "$to/$bundle: $!\n";
"""


def before_scripts(packages: Collection[str]) -> str:
    """Return the lines of shell that put others in the scripts' places; none where their package is not installed."""
    if PACKAGE not in packages:
        return ""
    known = "|".join(KNOWN)
    return f"""if [ -x /usr/bin/perl ] && sha256sum {SCRIPT} | grep -qE '^({known}) '; then
mv {SCRIPT} {SCRIPT}.kept
cat > {SCRIPT} <<'END'
{PROGRAM}END
chmod 755 {SCRIPT}
fi
if [ -f {CONFIG} ] && [ ! -e {LIST} ]; then
mv {CONFIG} {_KEPT}
sed 's,{_LOOK_UP},false,' {_KEPT} > {CONFIG}
chmod 755 {CONFIG}
fi
"""


def after_scripts(packages: Collection[str]) -> str:
    """Return those that put both scripts back."""
    kept = {f"{SCRIPT}.kept": SCRIPT, _KEPT: CONFIG} if PACKAGE in packages else {}
    return "".join(f"if [ -e {each} ]; then mv {each} {path}; fi\n" for each, path in kept.items())
