package format_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pss/format"
)

type state string

// session has the shape of the objects that the commands print.
type session struct {
	ID                int        `json:"Id" table:"Id,right"`
	Name              string     `table:"Name"`
	Transport         string     `json:",omitempty" wide:"Transport"`
	ComputerName      string     `table:"ComputerName"`
	State             state      `table:"State"`
	ConfigurationName string     `table:"ConfigurationName"`
	Availability      string     `table:"Availability,right"`
	InstanceID        string     `json:"InstanceId"`
	DisconnectedOn    *time.Time `json:",omitempty"`
	Hidden            string     `json:"-"`
}

func one() session {
	return session{
		ID: 2, Name: "Session2", Transport: "TLS", ComputerName: "Server01", State: "Disconnected",
		ConfigurationName: "Microsoft.PowerShell", Availability: "None",
		InstanceID: "6a0b2c0e-0000-4000-8000-000000000001",
	}
}

func write(t *testing.T, o format.Options, objects any) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, format.Write(&b, o, objects))
	return b.String()
}

func TestTableIsTheDocumentedOne(t *testing.T) {
	want := `Id Name      ComputerName  State         ConfigurationName     Availability
-- ----      ------------  -----         -----------------     ------------
 2 Session2  Server01      Disconnected  Microsoft.PowerShell          None
`
	assert.Equal(t, want, write(t, format.Options{}, []session{one()}))
	assert.Equal(t, want, write(t, format.Options{Mode: format.ModeTable}, []*session{ptr(one()), nil}))
	assert.Equal(t, want, write(t, format.Options{}, one()))
}

func ptr[T any](v T) *T { return &v }

func TestTableOfSeveralRows(t *testing.T) {
	a, b := one(), one()
	a.ID, a.Name, a.ComputerName = 1234, "本番サーバー", ""
	b.Name, b.Availability = " led by a blank", "Available"
	assert.Equal(t, `  Id Name             ComputerName  State         ConfigurationName     Availability
  -- ----             ------------  -----         -----------------     ------------
1234 本番サーバー                   Disconnected  Microsoft.PowerShell          None
   2  led by a blank  Server01      Disconnected  Microsoft.PowerShell     Available
`, write(t, format.Options{}, []session{a, b}))
}

func TestTableEndsWithoutBlanks(t *testing.T) {
	rows := []session{one(), {ID: 3, Name: "x"}}
	assert.Equal(t, "Id Name\n-- ----\n 2 Session2\n 3 x\n",
		write(t, format.Options{Properties: []string{"id", "NAME"}}, rows))
	for line := range strings.Lines(write(t, format.Options{}, rows)) {
		line = strings.TrimSuffix(line, "\n")
		assert.Equal(t, strings.TrimRight(line, " "), line)
	}
}

func TestTableWithoutHeader(t *testing.T) {
	assert.Equal(t, " 2 Session2\n",
		write(t, format.Options{NoHeader: true, Properties: []string{"Id", "Name"}}, []session{one()}))
}

func TestWideTableAddsColumns(t *testing.T) {
	assert.Equal(t, `Id Name      Transport  ComputerName  State         ConfigurationName     Availability
-- ----      ---------  ------------  -----         -----------------     ------------
 2 Session2  TLS        Server01      Disconnected  Microsoft.PowerShell          None
`, write(t, format.Options{Mode: format.ModeWide}, []session{one()}))
}

func TestNothingToPrint(t *testing.T) {
	for _, mode := range format.Modes() {
		o := format.Options{Mode: mode}
		want := ""
		switch mode {
		case format.ModeJSON:
			want = "[]\n"
		case format.ModeCSV:
			want = "Id,Name,Transport,ComputerName,State,ConfigurationName,Availability,InstanceId,DisconnectedOn\n"
		case format.ModeValue:
			o.Properties = []string{"Name"}
		}
		assert.Equal(t, want, write(t, o, []session{}), mode)
		assert.Equal(t, want, write(t, o, []session(nil)), mode)
	}
}

func TestJSON(t *testing.T) {
	s := one()
	s.Name, s.DisconnectedOn = "a<b>&\u009bc\x7f", ptr(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	o := format.Options{Mode: format.ModeJSON, Properties: []string{"Name", "disconnectedon", "Id"}}
	assert.Equal(t, `[
  {
    "Name": "a<b>&\u009bc\u007f",
    "DisconnectedOn": "2026-01-02T03:04:05Z",
    "Id": 2
  }
]
`, write(t, o, []session{s}))

	var back []session
	require.NoError(t, json.Unmarshal([]byte(write(t, format.Options{Mode: format.ModeJSON}, []session{s, one()})), &back))
	assert.Equal(t, []session{s, one()}, back)
}

func TestNDJSONIsOneLineEach(t *testing.T) {
	o := format.Options{Mode: format.ModeNDJSON, Properties: []string{"Id", "Transport", "DisconnectedOn"}}
	assert.Equal(t, `{"Id":2,"Transport":"TLS","DisconnectedOn":null}
{"Id":0,"Transport":"","DisconnectedOn":null}
`, write(t, o, []session{one(), {}}))
	assert.Equal(t, 2, strings.Count(write(t, format.Options{Mode: format.ModeNDJSON}, []session{{Name: "a\nb"}, {}}), "\n"))
}

func TestList(t *testing.T) {
	o := format.Options{Mode: format.ModeList, Properties: []string{"Id", "ComputerName", "DisconnectedOn"}}
	assert.Equal(t, `Id             : 2
ComputerName   : Server01
DisconnectedOn :

Id             : 0
ComputerName   :
DisconnectedOn :
`, write(t, o, []session{one(), {}}))
}

func TestCSV(t *testing.T) {
	s := one()
	s.Name = `say "a, b"`
	o := format.Options{Mode: format.ModeCSV, Properties: []string{"Name", "Id"}}
	assert.Equal(t, "Name,Id\n\"say \"\"a, b\"\"\",2\n", write(t, o, []session{s}))
	o.NoHeader = true
	assert.Equal(t, "Session2,2\n", write(t, o, []session{one()}))
}

func TestBareValues(t *testing.T) {
	rows := []session{one(), {ID: 10, Name: "b", InstanceID: "x"}}
	for mode, want := range map[format.Mode]string{
		format.ModeID:         "2\n10\n",
		format.ModeName:       "Session2\nb\n",
		format.ModeInstanceID: one().InstanceID + "\nx\n",
	} {
		assert.Equal(t, want, write(t, format.Options{Mode: mode, Properties: []string{"State"}}, rows))
	}
	assert.Equal(t, "Disconnected\n\n",
		write(t, format.Options{Mode: format.ModeValue, Properties: []string{"State"}}, rows))
}

func TestUsageErrors(t *testing.T) {
	rows := []session{one()}
	for _, test := range []struct {
		o       format.Options
		objects any
		want    string
	}{
		{format.Options{Properties: []string{"Nme"}}, rows, `there is no property "Nme": there are Id, Name,`},
		{format.Options{Properties: []string{"Hidden"}}, rows, `there is no property "Hidden"`},
		{format.Options{Mode: "value"}, rows, `exactly one property, not 0`},
		{format.Options{Mode: "value", Properties: []string{"Id", "Name"}}, rows, `exactly one property, not 2`},
		{format.Options{Mode: "id"}, []struct{ Name string }{}, `there is no property "Id": there are Name`},
		{format.Options{Mode: "nd"}, rows, `"nd" is not the name of an output format`},
		{format.Options{Mode: "xml"}, rows, `there is no output format "xml"`},
	} {
		var b bytes.Buffer
		err := format.Write(&b, test.o, test.objects)
		require.ErrorContains(t, err, test.want)
		var usage *format.UsageError
		assert.ErrorAs(t, err, &usage)
		assert.Empty(t, b.String())
	}
	for _, bad := range []any{nil, 3, []int{1}, "x", (*session)(nil)} {
		assert.ErrorContains(t, format.Write(&bytes.Buffer{}, format.Options{}, bad), "cannot print")
	}
}

func TestParseMode(t *testing.T) {
	for _, m := range format.Modes() {
		got, err := format.ParseMode(strings.ToUpper(string(m)))
		require.NoError(t, err)
		assert.Equal(t, m, got)
	}
	for s, want := range map[string]format.Mode{
		"t": format.ModeTable, "id": format.ModeID, "ins": format.ModeInstanceID, "nd": format.ModeNDJSON,
		"InstanceId": format.ModeInstanceID, "J": format.ModeJSON, "v": format.ModeValue,
	} {
		got, err := format.ParseMode(s)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for s, want := range map[string]string{
		"":    "use one of table, wide, list, json, ndjson, csv, id, instance-id, name, value",
		"xml": "use one of table,",
		"n":   "it can mean ndjson, name",
		"i":   "it can mean id, instance-id",
	} {
		_, err := format.ParseMode(s)
		assert.ErrorContains(t, err, want)
	}
}

type level int

func (l level) String() string { return fmt.Sprintf("level %d", int(l)) }

type inner struct {
	Deep   string
	Number int64
}

type boxed struct{ Boxed string }

type kinds struct {
	inner
	boxed   `json:"box"`
	On      bool
	Off     *bool
	When    time.Time
	Span    time.Duration
	Level   level
	Tags    []string
	None    []string
	Map     map[string]int
	Empty   map[string]int
	Any     any
	Ratio   float64
	Small   uint8
	Bytes   []byte
	Text    textual
	private int
}

type textual struct{ s string }

func (t textual) MarshalText() ([]byte, error) { return []byte("<" + t.s + ">"), nil }

func TestValuesAsPowerShellShowsThem(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 6, time.Local)
	k := kinds{
		inner: inner{"d", 7}, On: true, When: when, Span: 26*time.Hour + 3*time.Minute,
		Level: 3, Tags: []string{"a", "b"}, Map: map[string]int{"x": 1}, Any: ptr("p"), Ratio: 0.5,
		Small: 9, Bytes: []byte("raw"), Text: textual{"m"}, private: 1,
	}
	assert.Equal(t, `Deep   : d
Number : 7
On     : True
Off    :
When   : 2026-01-02 03:04:05
Span   : 1.02:03:00
Level  : level 3
Tags   : {a, b}
None   :
Map    : {"x":1}
Empty  :
Any    : p
Ratio  : 0.5
Small  : 9
Bytes  : raw
Text   : <m>
`, write(t, format.Options{}, []kinds{k}), "a type without table tags is a list")
	assert.Equal(t, "Number Deep\n------ ----\n     7 d\n",
		write(t, format.Options{Properties: []string{"Number", "Deep"}}, []kinds{k}), "numbers stand on the right")

	for d, want := range map[time.Duration]string{
		0: "00:00:00", 3 * time.Minute: "00:03:00", -time.Millisecond: "-00:00:00.0010000",
		1500 * time.Millisecond: "00:00:01.5000000", 49 * time.Hour: "2.01:00:00",
	} {
		assert.Equal(t, "Span\n----\n"+want+"\n",
			write(t, format.Options{Properties: []string{"Span"}}, []kinds{{Span: d}}))
	}
	assert.Equal(t, "When :\n", write(t, format.Options{Mode: format.ModeList, Properties: []string{"When"}}, []kinds{{}}))
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("pipe is gone") }

func TestWriteErrorsAreReported(t *testing.T) {
	for _, mode := range format.Modes() {
		o := format.Options{Mode: mode, Properties: []string{"Name"}}
		assert.ErrorContains(t, format.Write(brokenWriter{}, o, []session{one()}), "pipe is gone", mode)
	}
}

// The library reads the locale while it starts: the bytes must not follow it.
func TestTableDoesNotDependOnTheLocale(t *testing.T) {
	if os.Getenv("FORMAT_TEST_PRINT") != "" {
		require.NoError(t, format.Write(os.Stdout, format.Options{}, []session{{ID: 1, Name: "é…本", State: "x"}}))
		return
	}
	run := func(env ...string) string {
		cmd := exec.Command(os.Args[0], "-test.run=^TestTableDoesNotDependOnTheLocale$")
		cmd.Env = append(env, "FORMAT_TEST_PRINT=1")
		out, err := cmd.Output()
		require.NoError(t, err)
		return string(out)
	}
	assert.Equal(t, run(), run("RUNEWIDTH_EASTASIAN=1", "LC_ALL=ja_JP.UTF-8"))
	assert.Contains(t, run("RUNEWIDTH_EASTASIAN=1"), " 1 é…本 ")
}

// limits has the shape of a session configuration: a list by default.
type limits struct {
	Name   string   `list:""`
	Ms     int64    `align:"left"`
	Most   int      `list:""`
	People []string `json:",omitempty"`
}

func TestAListStandsForTheDefaultTable(t *testing.T) {
	objects := []limits{{"a", 1000, 2, []string{"x", "y"}}, {"b", 10, 300, nil}}
	assert.Equal(t, "Name : a\nMost : 2\n\nName : b\nMost : 300\n", write(t, format.Options{}, objects))
	assert.Equal(t, "Name   : a\nMs     : 1000\nMost   : 2\nPeople : {x, y}\n", write(t, format.Options{Mode: format.ModeList}, objects[:1]))
	assert.Equal(t, "Name Ms    Most\n---- --    ----\na    1000     2\nb    10     300\n",
		write(t, format.Options{Properties: []string{"name", "MS", "most"}}, objects))
	assert.Equal(t, "x\ny\n", write(t, format.Options{Mode: format.ModeValue, Properties: []string{"people"}}, objects))
}
