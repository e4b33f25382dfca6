#!/bin/sh
# From nothing to a prediction and back: compute twenty crystals, freeze datasets, train, fine-tune, predict a crystal
# that was not among them, and trace the prediction to the files of the structures. Minutes on a laptop.
#
#   sh docs/examples/learn.sh FOLDER
#
# Other settings: N_COPPER and N_NICKEL crystals, EPOCHS, ENCODER, JOBS calculations at a time, PYTHON.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python}
mkdir -p "$1" && cd "$1"
export WHITELINE_DATABASE="$PWD/spectra.db" WHITELINE_RUN_DIRECTORY="$PWD/runs"

# 1. Crystals, and their spectra by FEFF with cheap parameters; leave the --set options out for spectra to be trusted.
"$python" "$here/crystals.py" crystals "${N_COPPER:-12}" "${N_NICKEL:-8}"
quick="--set scf_radius=null --set fms_radius=2.7 --set l_max=1 --set core_hole=none --set energy_grid=[] --set k_step=0.2 --set k_max=3"
whiteline run crystals/copper --absorber Cu -j "${JOBS:-2}" $quick
whiteline run crystals/nickel --absorber Ni -j "${JOBS:-2}" $quick

# 2. Frozen datasets on one grid: all absorbers, and copper alone. No formula is in two of their parts.
grid="edge-relative -5:25:0.5"
whiteline dataset create all --kind site --grid "$grid" --split 0.6,0.2,0.2
whiteline dataset create copper --absorber Cu --kind site --grid "$grid" --split 0.6,0.2,0.2

# 3. One model of both elements, then one of copper that begins with it; the better of that and a new one is kept.
whiteline train universal all -o universal --encoder "${ENCODER:-chgnet}" --epochs "${EPOCHS:-100}"
whiteline finetune universal copper -o copper-tuned --epochs "${EPOCHS:-100}"

# 4. A crystal that nobody computed, with error bars, a domain check and the nearest calculation; kept in the store.
"$python" "$here/crystals.py" unseen --unseen
whiteline predict unseen/CuAg.cif --absorber Cu --model copper-tuned -o CuAg.png --store
whiteline predict unseen/CuAg.cif --absorber Cu --model copper-tuned --store --json > CuAg.json

# 5. Back: prediction, model, dataset, spectra, input files, structure, CIF file.
id=$("$python" -c 'import json; print(json.load(open("CuAg.json"))["predictions"][0]["id"])')
whiteline lineage "$id"
