# What every job does first, and a shell that submits: `. activate.sh`. Written by `whiteline deploy init`.
# Modules, the virtual environment with Whiteline, and the variables that say where the store is.
@if modules
module load @{modules}
@end
. @{environment}/bin/activate
. @{folder}/whiteline.env
