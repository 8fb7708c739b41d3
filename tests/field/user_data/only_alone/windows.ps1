#ps1_sysnative
New-Item -Path C:\ready -ItemType File
