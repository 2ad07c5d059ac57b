package verbs

// sessionOptionParam is -SessionOption. In a shell the option object is JSON text.
func sessionOptionParam(help string) param {
	return value("SessionOption", help).takes(valueKind{shows: "JSON"}).byDefault("$PSSessionOption")
}

// sessionOption reads --session-option or, without it, the environment variable
// PSSessionOption: the whole object of the one or of the other, as PowerShell.
func sessionOption(rt *Runtime, in *input) (o sessionOptions, err error) {
	text, from := in.String("session-option"), "--session-option"
	if text == "" {
		text, from = rt.Getenv("PSSessionOption"), "PSSessionOption"
	}
	if text == "" {
		return o, nil
	}
	return parseSessionOption(text, from)
}
