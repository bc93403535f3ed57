"""The web server before the application: nginx, with the two lines that every guide has.

With ipv6.disable=1 there is no socket for `listen [::]:8080;`: "socket() [::]:8080 failed (97: Address family not
supported by protocol)", and the container starts again and again. An address that is only absent does no harm to a
wildcard.
"""

import subprocess
from pathlib import Path

CONFIGURATION = """
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 8080;
        listen [::]:8080;
    }}
}}
"""


def check(folder):
    """Have nginx open what it would listen on, and return what it says and its exit code."""
    file = Path(folder) / "nginx.conf"
    file.write_text(CONFIGURATION.format(folder=folder))
    done = subprocess.run(["/usr/sbin/nginx", "-t", "-c", file], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr
