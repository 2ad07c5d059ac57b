package format

// The colours of PowerShell 7 on a terminal.
const (
	headColour  = "\x1b[32;1m"
	plainColour = "\x1b[0m"
)

// paint makes text stand out like a header, where colours are wanted.
func (o *Options) paint(text string) string {
	if !o.Colour {
		return text
	}
	return headColour + text + plainColour
}
