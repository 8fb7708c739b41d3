rem cmd
echo hello > C:\hello.txt
