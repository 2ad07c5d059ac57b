//go:build unix

package verbs

// terminalFile is the terminal of this process.
const terminalFile = "/dev/tty"
