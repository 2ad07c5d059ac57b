package verbs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"pss/format"
	"pss/remote/api"
)

// PSSessionOption is PowerShell's option object with its members in PowerShell's
// order. In a shell it is JSON text: New-PSSessionOption prints it, --session-option
// and the variable PSSessionOption take it.
type PSSessionOption struct {
	MaximumConnectionRedirectionCount int
	NoCompression                     bool
	NoMachineProfile                  bool
	ProxyAccessType                   string
	ProxyAuthentication               string
	ProxyCredential                   *string
	SkipCACheck                       bool
	SkipCNCheck                       bool
	SkipRevocationCheck               bool
	OperationTimeout                  timeSpan
	NoEncryption                      bool
	UseUTF16                          bool
	IncludePortInSPN                  bool
	OutputBufferingMode               string
	MaxConnectionRetryCount           int
	Culture                           *string
	UICulture                         *string
	MaximumReceivedDataSizePerCommand *int64
	MaximumReceivedObjectSize         *int64
	ApplicationArguments              map[string]any
	OpenTimeout                       timeSpan
	CancelTimeout                     timeSpan
	IdleTimeout                       timeSpan
}

// defaultPSSessionOption is the object that New-PSSessionOption makes of nothing.
func defaultPSSessionOption() *PSSessionOption {
	return &PSSessionOption{
		MaximumConnectionRedirectionCount: 5, ProxyAccessType: "None", ProxyAuthentication: "Negotiate",
		OperationTimeout: 180_000, OutputBufferingMode: string(api.BufferingNone), OpenTimeout: 180_000, CancelTimeout: 60_000, IdleTimeout: -1,
	}
}

// timeSpan is a time in milliseconds: a number in JSON, shown as 00:03:00. It is read
// from a number of milliseconds, a text with a unit, or "never".
type timeSpan int64

// String returns PowerShell's form.
func (t timeSpan) String() string {
	if int64(t) == api.IdleTimeoutNever {
		return "never"
	}
	return format.TimeSpan(time.Duration(t) * time.Millisecond)
}

// MarshalJSON writes the number, or "never".
func (t timeSpan) MarshalJSON() ([]byte, error) {
	if int64(t) == api.IdleTimeoutNever {
		return []byte(`"never"`), nil
	}
	return json.Marshal(int64(t))
}

// UnmarshalJSON reads the forms.
func (t *timeSpan) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		ms, err := api.ParseIdleTimeout(text, time.Millisecond)
		*t = timeSpan(ms)
		return err
	}
	var n int64
	if err := json.Unmarshal(data, &n); err != nil {
		return errors.New(`a time is a number of milliseconds, or a text such as "48h"`)
	}
	*t = timeSpan(n)
	return nil
}

// optionAliases are the names of New-PSSessionOption's parameters that its object
// spells differently.
var optionAliases = map[string]string{
	"maximumredirection": "MaximumConnectionRedirectionCount", "idletimeoutmsec": "IdleTimeout",
	"opentimeoutmsec": "OpenTimeout", "canceltimeoutmsec": "CancelTimeout", "operationtimeoutmsec": "OperationTimeout",
}

// unsupportedOptions say why a member cannot have another value than its own.
var unsupportedOptions = map[string]string{
	"ProxyAccessType":     "pss connects without a proxy",
	"ProxyAuthentication": "pss connects without a proxy",
	"ProxyCredential":     "pss connects without a proxy",
	"NoEncryption":        "every connection to another computer is encrypted",
}

// harmlessOptions say why a member has no effect here.
var harmlessOptions = map[string]string{
	"MaximumConnectionRedirectionCount": "no computer redirects",
	"NoCompression":                     "nothing is compressed",
	"NoMachineProfile":                  "a session reads no profile but for PATH",
	"UseUTF16":                          "bytes are passed on as they are",
	"IncludePortInSPN":                  "no service principal name is used",
	"SkipRevocationCheck":               "pss checks no revocation of certificates",
}

// parseOptionObject reads JSON text into object, a pointer to a struct of members that
// are found in any case and under their aliases. An array of one object is one, too.
func parseOptionObject(text, from string, object any, aliases map[string]string) error {
	bad := func(format string, args ...any) error {
		return usage("CannotConvertArgument", "%s is no option object: %s", from, fmt.Sprintf(format, args...))
	}
	data := []byte(text)
	var list []json.RawMessage
	if json.Unmarshal(data, &list) == nil {
		if len(list) != 1 {
			return bad("the array has %d objects, not one", len(list))
		}
		data = list[0]
	}
	var members map[string]json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&members); err != nil || members == nil {
		return bad("%v", errorOr(err, "it is null"))
	}
	if dec.More() {
		return bad("there is more behind it")
	}
	into := reflect.ValueOf(object).Elem()
	for key, raw := range members {
		name := key
		if canonical, ok := aliases[strings.ToLower(key)]; ok {
			name = canonical
		}
		f, ok := into.Type().FieldByNameFunc(func(n string) bool { return strings.EqualFold(n, name) })
		if !ok {
			return bad("unknown field %q", key)
		}
		if err := json.Unmarshal(raw, into.FieldByIndex(f.Index).Addr().Interface()); err != nil {
			return bad("%s: %v", f.Name, err)
		}
	}
	return nil
}

func errorOr(err error, text string) error {
	if err != nil {
		return err
	}
	return errors.New(text)
}

// check refuses members that pss has nothing for, by name, and values out of range.
func (o *PSSessionOption) check(from string) error {
	v, def := reflect.ValueOf(o).Elem(), reflect.ValueOf(defaultPSSessionOption()).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if why, ok := unsupportedOptions[name]; ok && !v.Field(i).IsZero() && !reflect.DeepEqual(v.Field(i).Interface(), def.Field(i).Interface()) {
			return usage("ParameterNotSupported", "%s: the member %s is not supported: %s", from, name, why).
				Hint("leave it out, or give %v", def.Field(i).Interface())
		}
	}
	mode, err := oneOf("OutputBufferingMode", o.OutputBufferingMode, bufferingModes)
	if err != nil {
		return err
	}
	o.OutputBufferingMode = mode
	for _, n := range []struct {
		name  string
		value int64
		least int64
	}{
		{"OpenTimeout", int64(o.OpenTimeout), 0}, {"CancelTimeout", int64(o.CancelTimeout), 0}, {"OperationTimeout", int64(o.OperationTimeout), 0},
		{"IdleTimeout", int64(o.IdleTimeout), api.IdleTimeoutNever}, {"MaxConnectionRetryCount", int64(o.MaxConnectionRetryCount), 0},
	} {
		if n.value < n.least {
			return usage("ParameterArgumentValidationError", "%s: %s cannot be %d", from, n.name, n.value).
				Hint("the least is %d", max(n.least, -1))
		}
	}
	for name, value := range map[string]*string{"Culture": o.Culture, "UICulture": o.UICulture} {
		if value != nil && localeOf(*value) == "" {
			return usage("CannotConvertArgument", "%s: %s: %q is no culture", from, name, *value).Hint("write it as de-DE or zh-TW")
		}
	}
	return nil
}

// bufferingModes are the values of -OutputBufferingMode.
var bufferingModes = []string{string(api.BufferingNone), string(api.BufferingDrop), string(api.BufferingBlock)}
