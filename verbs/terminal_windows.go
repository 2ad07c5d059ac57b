package verbs

// terminalFile is the console of this process.
const terminalFile = "CONIN$"
