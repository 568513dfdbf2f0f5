"""Any timm model as an image encoder: `--encoder image=timm:resnet18`."""
