package host

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"pss/config"
	"pss/remote/api"
	"pss/remote/planted"
)

// maxName is how long the name of a session or a session configuration may be, in bytes.
const maxName = 256

// checkLabel refuses a text that would be shown on terminals and in logs, and is none that
// should be: with control characters, or marks that turn the direction of text.
func checkLabel(what, s string, most int) error {
	if planted.On("names-not-checked") {
		return nil
	}
	if len(s) > most {
		return api.Errorf(api.CodeInvalidArgument, "%s has %d bytes, and at most %d are allowed", what, len(s), most).WithID("NameTooLong")
	}
	bad := func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, bad) {
		return api.Errorf(api.CodeInvalidArgument, "%s has characters that cannot be shown: %+q", what, s).WithID("NameNotPrintable").
			Hint("leave control characters and marks of direction out")
	}
	return nil
}

// checkCreate refuses what no session may be made with.
func checkCreate(req *api.CreateRequest, conf config.HostOperations) error {
	for _, c := range []struct {
		what, text string
		most       int
	}{
		{"the name of a session", req.Name, maxName},
		{"the name of a session configuration", req.ConfigurationName, maxName},
		{"the working directory", req.WorkingDirectory, 4096},
	} {
		if err := checkLabel(c.what, c.text, c.most); err != nil {
			return err
		}
	}
	if a := req.Attach; a != nil {
		for _, text := range []string{a.ID, a.Agent, a.From} {
			if err := checkLabel("the client of an attachment", text, maxClientID); err != nil {
				return err
			}
		}
	}
	n, size := len(req.Environment)+len(req.Locale), int64(0)
	for _, vars := range []map[string]string{req.Environment, req.Locale} {
		for name, value := range vars {
			size += int64(len(name) + len(value))
		}
	}
	if (n > maxVariables || size > conf.MaxEnvironmentBytes) && !planted.On("names-not-checked") {
		return api.Errorf(api.CodeTooLarge, "the environment has %d variables and %d bytes; at most %d and %d are allowed (max_environment_bytes)",
			n, size, maxVariables, conf.MaxEnvironmentBytes).WithID("EnvironmentTooLarge").Hint("give large data as standard input or in a file")
	}
	return nil
}
