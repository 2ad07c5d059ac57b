# Completion of pss for PowerShell. In $PROFILE: pss completion powershell | Out-String | Invoke-Expression

Register-ArgumentCompleter -Native -CommandName @('pss', @LINKS@) -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @()
    foreach ($element in $commandAst.CommandElements) {
        $extent = $element.Extent
        if ($extent.StartOffset -ge $cursorPosition) { break }
        $text = $extent.Text
        if ($extent.EndOffset -gt $cursorPosition) { $text = $text.Substring(0, $cursorPosition - $extent.StartOffset) }
        $words += $text.Trim('"', "'")
    }
    # The word that is only about to begin; older versions pass no empty words on.
    if ($wordToComplete -eq '') {
        $legacy = $PSVersionTable.PSVersion -lt [version]'7.3' -or $PSNativeCommandArgumentPassing -eq 'Legacy'
        $words += if ($legacy) { '""' } else { '' }
    }
    $pss = 'pss'
    if (Get-Command -CommandType Application -Name $words[0] -ErrorAction SilentlyContinue) { $pss = $words[0] }
    foreach ($line in & $pss __complete -- @words 2>$null) {
        $parts = $line -split "`t"
        if ($line.StartsWith(':')) {
            [System.Management.Automation.CompletionCompleters]::CompleteFilename($parts[2])
            continue
        }
        $text = $parts[0]
        if ($text -match '^@|[\s;(){}$&|<>''"`]') { $text = "'" + $text.Replace("'", "''") + "'" }
        $says = if ($parts[1]) { $parts[1] } else { $parts[0] }
        [System.Management.Automation.CompletionResult]::new($text, $parts[0], 'ParameterValue', $says)
    }
}
