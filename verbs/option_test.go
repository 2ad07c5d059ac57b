package verbs

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

func TestSessionOptionObjects(t *testing.T) {
	ms := func(n int64) *int64 { return &n }
	for text, want := range map[string]sessionOptions{
		`{}`:                          {},
		`[{}]`:                        {},
		`{"IdleTimeout":-1}`:          {},
		`{"idletimeoutMSEC":90000}`:   {SessionOption: api.SessionOption{IdleTimeout: ms(90_000)}},
		`{"IdleTimeout":"2d"}`:        {SessionOption: api.SessionOption{IdleTimeout: ms(172_800_000)}},
		`{"IdleTimeout":"Never"}`:     {SessionOption: api.SessionOption{IdleTimeout: ms(api.IdleTimeoutNever)}},
		`{"OutputBufferingMode":"d"}`: {SessionOption: api.SessionOption{OutputBufferingMode: "Drop"}},
		`{"OpenTimeout":5,"MaxConnectionRetryCount":2,"OperationTimeout":"3s"}`: {
			SessionOption: api.SessionOption{OpenTimeout: 5, MaxConnectionRetryCount: 2}, operation: 3 * time.Second},
		`{"Culture":"de-DE","UICulture":"zh-Hant-TW"}`: {culture: "de_DE.UTF-8", language: "zh_TW.UTF-8"},
		`{"CancelTimeout":1,"MaximumReceivedDataSizePerCommand":2,"MaximumReceivedObjectSize":3}`: {
			connection: &api.ConnectionOption{CancelTimeout: ms(1), MaximumReceivedDataSizePerCommand: ms(2), MaximumReceivedObjectSize: ms(3)}},
		`{"ApplicationArguments":{"a":1}}`: {arguments: map[string]any{"a": 1.0}},
		// Harmless, or at the value that New-PSSessionOption prints.
		`{"NoCompression":true,"UseUTF16":true,"NoMachineProfile":true,"IncludePortInSPN":true,"MaximumRedirection":-4}`: {},
		`{"ProxyAccessType":"None","ProxyAuthentication":"Negotiate","ProxyCredential":null,"SkipCACheck":false}`:        {},
	} {
		got, err := parseSessionOption(text, "x")
		require.NoError(t, err, text)
		if want.connection == nil {
			want.connection = &api.ConnectionOption{}
		}
		if got.OutputBufferingMode == api.BufferingNone {
			got.OutputBufferingMode = ""
		}
		assert.Equal(t, want, got, text)
	}
	for text, want := range map[string]string{
		``: "CannotConvertArgument", `null`: "CannotConvertArgument", `5`: "CannotConvertArgument", `"x"`: "CannotConvertArgument",
		`{"IdleTimeout":5} {}`:                     "there is more",
		`[]`:                                       "0 objects",
		`[{},{}]`:                                  "2 objects",
		`{"IdelTimeout":5}`:                        `unknown field "IdelTimeout"`,
		`{"IdleTimeout":1.5}`:                      "number of milliseconds",
		`{"IdleTimeout":-3}`:                       "IdleTimeout cannot be -3",
		`{"OpenTimeout":-1}`:                       "OpenTimeout cannot be -1",
		`{"OutputBufferingMode":"x"}`:              "OutputBufferingMode",
		`{"Culture":"??"}`:                         "is no culture",
		`{"NoEncryption":true}`:                    "the member NoEncryption is not supported",
		`{"ProxyAccessType":"x"}`:                  "the member ProxyAccessType is not supported",
		`{"ProxyAuthentication":"x"}`:              "the member ProxyAuthentication is not supported",
		`{"ProxyCredential":"x"}`:                  "the member ProxyCredential is not supported",
		`{"MaximumReceivedDataSizePerCommand":""}`: "MaximumReceivedDataSizePerCommand",
	} {
		_, err := parseSessionOption(text, "x")
		require.Error(t, err, text)
		e := api.AsError(err)
		assert.Contains(t, e.FullyQualifiedErrorID+" "+e.Message, want, text)
		assert.Equal(t, api.CodeUsage, e.Code, text)
	}
}

// What New-PSSessionOption prints of nothing changes nothing but the time that Ctrl-C
// waits and the time that a computer may take, which are PowerShell's.
func TestTheDefaultObjectChangesNothing(t *testing.T) {
	data, err := json.Marshal(defaultPSSessionOption())
	require.NoError(t, err)
	got, err := parseSessionOption(string(data), "x")
	require.NoError(t, err)
	cancel := int64(60_000)
	assert.Equal(t, sessionOptions{
		SessionOption: api.SessionOption{OutputBufferingMode: api.BufferingNone, OpenTimeout: 180_000},
		connection:    &api.ConnectionOption{CancelTimeout: &cancel}, operation: 180 * time.Second,
	}, got)
}

func TestLocales(t *testing.T) {
	for culture, want := range map[string]string{
		"de-DE": "de_DE.UTF-8", "en": "en.UTF-8", "zh-Hant-TW": "zh_TW.UTF-8", "zh-Hant": "zh.UTF-8", "es-419": "es_419.UTF-8", "": "C", "invariant": "C",
		"de_DE": "", "toolong-DE": "", "-": "", "d3": "", "de-": "", "de-waytoolong": "", "de;rm": "", "本": "",
	} {
		assert.Equal(t, want, localeOf(culture), culture)
	}
	client := map[string]string{"LC_ALL": "C.UTF-8", "LC_TIME": "en_GB.UTF-8", "LANGUAGE": "fr"}
	assert.Equal(t, client, withCultures(client, "", ""))
	got := withCultures(client, "de_DE.UTF-8", "")
	assert.Equal(t, "C.UTF-8", got["LANG"])
	assert.Equal(t, "de_DE.UTF-8", got["LC_TIME"])
	assert.NotContains(t, got, "LC_ALL")
	assert.NotContains(t, got, "LC_MESSAGES")
	assert.Equal(t, map[string]string{"LANG": "a", "LC_MESSAGES": "b"}, withCultures(map[string]string{"LANG": "a", "LANGUAGE": "c"}, "", "b"))
	assert.Equal(t, "C.UTF-8", client["LC_ALL"], "the client's own is left alone")
}

func TestTransportOptionObjects(t *testing.T) {
	o, err := parseTransportOption(`{"idletimeoutsec":"48h","MaxIdleTimeoutSec":"never","MaxSessions":3,"MaxMemoryPerSessionMB":null,"ProcessIdleTimeoutSec":0,"OutputBufferingMode":"drop"}`, "x")
	require.NoError(t, err)
	s := api.SessionConfiguration{MaxMemoryPerShellMB: 7, MaxShells: 1}
	o.apply(&s)
	two, never := api.Milliseconds(172_800_000), api.Milliseconds(0)
	assert.Equal(t, api.SessionConfiguration{
		MaxMemoryPerShellMB: 7, MaxShells: 3, IdleTimeoutMs: &two, MaxIdleTimeoutMs: &never, OutputBufferingMode: api.BufferingDrop,
	}, s)
	for text, want := range map[string]string{
		`{"IdleTimeoutSec":59}`: "60 to 2147483", `{"MaxIdleTimeoutSec":2147484}`: "60 to 2147483", `{"MaxSessions":0}`: "1 to",
		`{"MaxConcurrentUsers":101}`: "1 to 100", `{"MaxMemoryPerSessionMB":4}`: "5 to", `{"ProcessIdleTimeoutSec":1}`: "ProcessIdleTimeoutSec is not supported",
		`{"IdleTimeoutMs":1}`: "unknown field", `{"MaxSessions":"x"}`: "MaxSessions", `{"OutputBufferingMode":"x"}`: "OutputBufferingMode", `x`: "no option object",
	} {
		_, err := parseTransportOption(text, "x")
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), want, text)
	}
}

func FuzzParseSessionOption(f *testing.F) {
	f.Add(`{"IdleTimeout":"2d","Culture":"de-DE"}`)
	f.Add(`[{"ApplicationArguments":{"a":[1]}}]`)
	f.Fuzz(func(t *testing.T, text string) {
		o, err := parseSessionOption(text, "x")
		if err != nil {
			assert.Equal(t, api.CodeUsage, toError(err).Code)
			return
		}
		assert.NotNil(t, o.connection)
		if o.IdleTimeout != nil {
			assert.GreaterOrEqual(t, *o.IdleTimeout, api.IdleTimeoutNever)
		}
	})
}
