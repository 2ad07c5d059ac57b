package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
)

var update = flag.Bool("update", false, "write the wire samples that do not exist yet; existing ones are never changed")

// wireDir holds one sample of every message, as the first version wrote it. A
// sample is never edited: what it shows is what old processes send for weeks.
const wireDir = "../../testdata/wire/v1"

// messages are all requests and replies, by the name of their sample.
var messages = map[string]func() any{
	"ack-request":           func() any { return &api.AckRequest{} },
	"adoption":              func() any { return &api.Adoption{} },
	"attach-request":        func() any { return &api.AttachRequest{} },
	"bootstrap":             func() any { return &api.Bootstrap{} },
	"bootstrap-reply":       func() any { return &api.BootstrapReply{} },
	"command":               func() any { return &api.Command{} },
	"configuration-change":  func() any { return &api.ConfigurationChange{} },
	"configuration-list":    func() any { return &api.ConfigurationList{} },
	"configuration-request": func() any { return &api.ConfigurationRequest{} },
	"create-request":        func() any { return &api.CreateRequest{} },
	"detach-request":        func() any { return &api.DetachRequest{} },
	"error":                 func() any { return &api.Error{} },
	"gap":                   func() any { return &api.Gap{} },
	"heartbeat":             func() any { return &api.Heartbeat{} },
	"heartbeat-reply":       func() any { return &api.HeartbeatReply{} },
	"known":                 func() any { return &api.Known{} },
	"pipeline":              func() any { return &api.Pipeline{} },
	"pipeline-end":          func() any { return &api.PipelineEnd{} },
	"runspace-info":         func() any { return &api.RunspaceInfo{} },
	"session":               func() any { return &api.Session{} },
	"session-list":          func() any { return &api.SessionList{} },
	"signal-request":        func() any { return &api.SignalRequest{} },
	"start-request":         func() any { return &api.StartRequest{} },
	"stream-hello":          func() any { return &api.StreamHello{} },
	"stream-request":        func() any { return &api.StreamRequest{} },
	"test-reply":            func() any { return &api.TestReply{} },
	"version-info":          func() any { return &api.VersionInfo{} },
	"unknown-session":       func() any { return &api.Session{} },       // with members added by hand
	"unknown-stream":        func() any { return &api.StreamRequest{} }, // with members added by hand
	"unknown-bootstrap":     func() any { return &api.Bootstrap{} },     // with members added by hand
}

// Every sample still means what it meant: each member that it holds arrives in
// its field, and comes out again under the same name with the same value.
func TestWireSamplesDecodeForEver(t *testing.T) {
	for name, make := range messages {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(wireDir, name+".json")
			if _, err := os.Stat(path); os.IsNotExist(err) && *update && !strings.HasPrefix(name, "unknown-") {
				v := make()
				fill(reflect.ValueOf(v).Elem(), 1, "")
				data, err := json.MarshalIndent(v, "", "  ")
				require.NoError(t, err)
				require.NoError(t, os.MkdirAll(wireDir, 0o755))
				require.NoError(t, os.WriteFile(path, append(data, '\n'), 0o644))
			}
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			v := make()
			require.NoError(t, json.Unmarshal(data, v))
			again, err := json.Marshal(v)
			require.NoError(t, err)
			var want, got any
			require.NoError(t, json.Unmarshal(data, &want))
			require.NoError(t, json.Unmarshal(again, &got))
			if strings.HasPrefix(name, "unknown-") {
				require.NotEqual(t, want, got)
				want = withoutUnknown(want)
			}
			requireKept(t, name, want, got)
		})
	}
	files, err := filepath.Glob(filepath.Join(wireDir, "*.json"))
	require.NoError(t, err)
	require.Len(t, files, len(messages)+1, "one sample a message, and the records of the frames")
}

// requireKept proves that got has every member of want, unchanged. Members that
// are new since the sample may be there as well.
func requireKept(t *testing.T, at string, want, got any) {
	t.Helper()
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		require.True(t, ok, at)
		for k, v := range w {
			require.Contains(t, g, k, at)
			requireKept(t, at+"."+k, v, g[k])
		}
	case []any:
		g, ok := got.([]any)
		require.True(t, ok, at)
		require.Len(t, g, len(w), at)
		for i := range w {
			requireKept(t, at, w[i], g[i])
		}
	default:
		require.Equal(t, want, got, at)
	}
}

// withoutUnknown drops the members that stand for a later version's.
func withoutUnknown(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, m := range v {
			if strings.HasPrefix(k, "Unknown") {
				delete(v, k)
			} else {
				v[k] = withoutUnknown(m)
			}
		}
	case []any:
		for i := range v {
			v[i] = withoutUnknown(v[i])
		}
	}
	return v
}

// values are real words for what is a word on the wire.
var values = map[string]string{
	"State": "Opened", "Availability": "Busy", "CommandState": "Running", "Life": "Open", "Outcome": "Exited",
	"InputState": "Open", "Input": "Stream", "OutputBufferingMode": "Block", "Role": "Open", "Detached": "Outage",
	"By": "Outage", "Signal": "INT", "Code": "SessionBusy", "InstanceID": "4b1b5ba0-0000-4000-8000-000000000001",
	"Version": "0.1.0", "Engine": "bash", "ConfigurationName": "Microsoft.PowerShell", "ComputerName": "server01",
}

// fill gives every member a value of its own.
func fill(v reflect.Value, n int64, name string) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n, name)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, int(n)*1000, time.UTC)))
			return
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				fill(v.Field(i), n*10+int64(i)+1, f.Name)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n+1, name)
		fill(v.Index(1), n+2, name)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, val := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, n+1, "key")
		fill(val, n+2, "value")
		v.SetMapIndex(key, val)
	case reflect.String:
		s := values[name]
		if s == "" {
			s = strings.ToLower(name) + " ü\n\x1b" // text is any text
		}
		v.SetString(s)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(n % (1 << 50))
	case reflect.Uint32:
		v.SetUint(uint64(n) % (1 << 31))
	case reflect.Uint64:
		v.SetUint(uint64(n) % (1 << 50))
	default:
		panic("no sample for " + v.Type().String())
	}
}

// sampleRecord is a record of the frames' sample.
type sampleRecord struct {
	Pipeline uint32
	Seq      uint64
	Kind     uint8
	Nanos    int64
	Data     []byte
}

// The frames of disk and wire decode to the same records for ever, and these
// records encode to the same bytes.
func TestFrameSamplesDecodeForEver(t *testing.T) {
	frames, list := filepath.Join(wireDir, "records.frames"), filepath.Join(wireDir, "records.json")
	if _, err := os.Stat(frames); os.IsNotExist(err) && *update {
		var raw []byte
		var recs []sampleRecord
		kinds := []api.Kind{
			api.KindOutput, api.KindError, api.KindWarning, api.KindVerbose, api.KindDebug, api.KindInformation, api.KindProgress,
			api.KindEnd, api.KindGap, api.KindInputState, 90, api.KindHello, api.KindAck, api.KindInput, api.KindInputEnd,
			api.KindInputWindow, api.KindHeartbeat, api.KindSignal, api.KindDone, api.KindFault, api.KindAcked, 255,
		}
		for i, k := range kinds {
			r := sampleRecord{Pipeline: uint32(i%3 + 1), Seq: uint64(i)<<33 + 1, Kind: uint8(k), Nanos: 1_767_323_045_000_000_000 + int64(i)}
			r.Data = bytes.Repeat([]byte{byte(i), 0, '\n', 0xff}, i*i)
			recs = append(recs, r)
			raw = api.AppendFrame(raw, r.record())
		}
		data, err := json.MarshalIndent(recs, "", "  ")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(frames, raw, 0o644))
		require.NoError(t, os.WriteFile(list, append(data, '\n'), 0o644))
	}
	raw, err := os.ReadFile(frames)
	require.NoError(t, err)
	data, err := os.ReadFile(list)
	require.NoError(t, err)
	var recs []sampleRecord
	require.NoError(t, json.Unmarshal(data, &recs))
	require.NotEmpty(t, recs)
	var again []byte
	for _, want := range recs {
		rec, n, err := api.ParseFrame(raw[len(again):])
		require.NoError(t, err)
		requireSame(t, *want.record(), rec)
		again = append(again, raw[len(again):len(again)+n]...)
		require.Equal(t, api.AppendFrame(nil, want.record()), again[len(again)-n:])
	}
	require.Equal(t, raw, again)
}

func (s sampleRecord) record() *api.Record {
	return &api.Record{Pipeline: s.Pipeline, Seq: s.Seq, Kind: api.Kind(s.Kind), Time: time.Unix(0, s.Nanos), Data: s.Data}
}

// The numbers of the kinds are on disks: none may change, and none be used twice.
func TestKindNumbersArePinned(t *testing.T) {
	want := map[string]api.Kind{
		"Output": 1, "Error": 2, "Warning": 3, "Verbose": 4, "Debug": 5, "Information": 6, "Progress": 7,
		"End": 64, "Gap": 65, "InputState": 66,
	}
	var names []string
	for name, k := range want {
		require.Equal(t, name, k.String())
		require.Equal(t, k < 64, k.IsStream())
		names = append(names, name)
	}
	sort.Strings(names)
	require.Len(t, names, 10)
	require.Equal(t, "Kind(90)", api.Kind(90).String())
	require.Equal(t, []api.Kind{128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 138}, []api.Kind{
		api.KindHello, api.KindAck, api.KindInput, api.KindInputEnd, api.KindInputWindow, api.KindHeartbeat,
		api.KindSignal, api.KindDone, api.KindFault, api.KindAcked, api.KindJobState,
	})
}
