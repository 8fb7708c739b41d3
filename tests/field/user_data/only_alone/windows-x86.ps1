#ps1_x86
Write-Host hello
