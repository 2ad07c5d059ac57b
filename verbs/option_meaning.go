package verbs

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"time"

	"pss/remote/api"
)

// sessionOptions is what an option object means.
type sessionOptions struct {
	api.SessionOption                       // for the session's computer and the agent
	connection        *api.ConnectionOption // kept with the session; nil without an object
	operation         time.Duration         // how long a computer may take to answer; 0: pss's own limit
	culture, language string                // locales, empty: the client's own
	arguments         map[string]any        // for the session's commands
	skipCA, skipCN    bool                  // what of a host's certificate does not matter
}

// argumentsVariable tells the commands of a session the application arguments that it
// was made with, as JSON.
const argumentsVariable = "PSS_APPLICATION_ARGUMENTS"

// parseSessionOption reads an option object; from names where it stood.
func parseSessionOption(text, from string) (o sessionOptions, err error) {
	var obj PSSessionOption
	obj.IdleTimeout = -1
	if err := parseOptionObject(text, from, &obj, optionAliases); err != nil {
		return o, toError(err).Hint(`write the JSON that pss new-pssessionoption prints, or part of it: '{"IdleTimeout": 172800000, "OutputBufferingMode": "Drop"}'`)
	}
	if err := obj.check(from); err != nil {
		return o, err
	}
	return obj.meaning(), nil
}

// meaning sorts the members by who acts on them.
func (o *PSSessionOption) meaning() sessionOptions {
	m := sessionOptions{
		operation: time.Duration(o.OperationTimeout) * time.Millisecond,
		arguments: o.ApplicationArguments,
		skipCA:    o.SkipCACheck, skipCN: o.SkipCNCheck,
		connection: &api.ConnectionOption{
			MaximumReceivedDataSizePerCommand: o.MaximumReceivedDataSizePerCommand,
			MaximumReceivedObjectSize:         o.MaximumReceivedObjectSize,
		},
	}
	m.OutputBufferingMode, m.OpenTimeout = api.OutputBufferingMode(o.OutputBufferingMode), int64(o.OpenTimeout)
	m.MaxConnectionRetryCount = o.MaxConnectionRetryCount
	if ms := int64(o.IdleTimeout); ms != -1 {
		m.IdleTimeout = &ms
	}
	if ms := int64(o.CancelTimeout); ms > 0 {
		m.connection.CancelTimeout = &ms
	}
	if o.Culture != nil {
		m.culture = localeOf(*o.Culture)
	}
	if o.UICulture != nil {
		m.language = localeOf(*o.UICulture)
	}
	return m
}

// create puts the options into the request that makes a session.
func (m *sessionOptions) create(req *api.CreateRequest) error {
	req.Options = m.SessionOption
	if req.Attach != nil {
		req.Attach.Connection = m.connection
	}
	req.Locale = withCultures(req.Locale, m.culture, m.language)
	if len(m.arguments) == 0 {
		return nil
	}
	data, err := json.Marshal(m.arguments)
	if err != nil {
		return err
	}
	if req.Environment == nil {
		req.Environment = map[string]string{}
	}
	req.Environment[argumentsVariable] = string(data)
	return nil
}

// attach returns the request that connects a session with these options.
func (m *sessionOptions) attach() *api.AttachRequest {
	req := &api.AttachRequest{Options: m.SessionOption, Connection: m.connection}
	if req.Connection == nil {
		req.Connection = &api.ConnectionOption{} // the connection before had its own
	}
	return req
}

// answering bounds ctx by the OperationTimeout.
func (m *sessionOptions) answering(ctx context.Context) (context.Context, context.CancelFunc) {
	if m.operation <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, m.operation)
}

// late is err, which says so if the OperationTimeout was over.
func (m *sessionOptions) late(err error) error {
	if m.operation <= 0 || !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return api.Errorf(api.CodeTimedOut, "there was no answer within the OperationTimeout of %v", m.operation).WithID("WinRMOperationTimeout").
		Hint("give a longer OperationTimeout, or 0 for none")
}

// localeOf returns the locale of a culture name (de-DE, zh-Hant-TW), "" if it is none.
func localeOf(culture string) string {
	if culture == "" || strings.EqualFold(culture, "Invariant") {
		return "C"
	}
	parts := strings.Split(culture, "-")
	for i, p := range parts {
		if p == "" || len(p) > 8 || i == 0 && len(p) > 3 || strings.ContainsFunc(p, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9')
		}) {
			return ""
		}
	}
	locale := strings.ToLower(parts[0])
	if last := parts[len(parts)-1]; len(parts) > 1 && len(last) <= 3 { // a script (Hant) has four letters
		locale += "_" + strings.ToUpper(last)
	}
	return locale + ".UTF-8"
}

// cultureVariables are those that a culture decides: how values are written. A UI
// culture decides in which language messages are.
var cultureVariables = []string{
	"LC_NUMERIC", "LC_TIME", "LC_COLLATE", "LC_MONETARY", "LC_PAPER", "LC_NAME", "LC_ADDRESS", "LC_TELEPHONE", "LC_MEASUREMENT", "LC_IDENTIFICATION",
}

// withCultures returns the client's locale with cultures of their own. LC_ALL, which
// goes before all of them, becomes the LANG that the rest has.
func withCultures(locale map[string]string, culture, language string) map[string]string {
	if culture == "" && language == "" {
		return locale
	}
	out := maps.Clone(locale)
	if out == nil {
		out = map[string]string{}
	}
	if all := out["LC_ALL"]; all != "" {
		clear(out)
		out["LANG"] = all
	}
	if culture != "" {
		for _, name := range cultureVariables {
			out[name] = culture
		}
	}
	if language != "" {
		out["LC_MESSAGES"] = language
		delete(out, "LANGUAGE")
	}
	return out
}
