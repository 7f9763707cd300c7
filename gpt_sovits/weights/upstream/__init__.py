"""Files of the original GPT-SoVITS and of the tools around it.

    importing.py        files into base models of safetensors
    exporting.py        a pair into a GPT .ckpt and a SoVITS .pth
    torch_file.py       the tensors and the config of a file of torch.save
    torch_archive.py    its zip archive, checked before PyTorch reads it
    pickle_scan.py      its pickle, checked instruction by instruction
    upstream_config.py  the configs inside exported files

Nothing in a file is run when it is read.
"""
