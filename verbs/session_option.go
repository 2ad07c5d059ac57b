package verbs

import (
	"bytes"
	"encoding/json"
	"time"

	"pss/remote/api"
)

// sessionOptionParam is -SessionOption. In a shell the option object is JSON text.
func sessionOptionParam(help string) param {
	return value("SessionOption", help).takes(valueKind{shows: "JSON"}).byDefault("$PSSessionOption")
}

// optionObject is what of PowerShell's PSSessionOption has a meaning here.
type optionObject struct {
	IdleTimeout         any // milliseconds, text with a unit, or never
	OutputBufferingMode string
}

// sessionOption reads --session-option or, without it, the environment variable
// PSSessionOption: the whole object of the one or of the other, as PowerShell.
func sessionOption(rt *Runtime, in *input) (o api.SessionOption, err error) {
	text, from := in.String("session-option"), "--session-option"
	if text == "" {
		text, from = rt.Getenv("PSSessionOption"), "PSSessionOption"
	}
	if text == "" {
		return o, nil
	}
	var obj optionObject
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&obj); err != nil {
		return o, usage("CannotConvertArgument", "%s is no option object: %v", from, err).
			Hint(`write JSON with IdleTimeout and OutputBufferingMode: '{"IdleTimeout": 172800000, "OutputBufferingMode": "Drop"}'`)
	}
	switch v := obj.IdleTimeout.(type) {
	case nil:
	case float64:
		ms := int64(v)
		o.IdleTimeout = &ms
	case string:
		ms, err := api.ParseIdleTimeout(v, time.Millisecond)
		if err != nil {
			return o, usage("CannotConvertArgument", "%s: IdleTimeout: %v", from, err)
		}
		o.IdleTimeout = &ms
	default:
		return o, usage("CannotConvertArgument", "%s: IdleTimeout is neither a number of milliseconds nor a text such as \"48h\"", from)
	}
	mode, err := oneOf("OutputBufferingMode", obj.OutputBufferingMode, []string{"None", "Drop", "Block"})
	o.OutputBufferingMode = api.OutputBufferingMode(mode)
	return o, err
}
