# What every job does first, and a shell that submits: `. activate.sh`. Written by `whiteline deploy init`.
# Modules, the virtual environment with Whiteline, and the variables that say where the store is.
module load qe/7.2
. /home/me/venv/bin/activate
. /home/me/whiteline/whiteline.env
