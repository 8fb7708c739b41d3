#cloud-boothook
#!/bin/sh
echo early > /run/early
