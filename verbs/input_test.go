package verbs

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pss/format"
	"pss/remote/api"
)

const (
	testGUID  = "6a0b2c0e-0000-4000-8000-00000000000a"
	testTable = `Id Name      ComputerName  State         ConfigurationName     Availability
-- ----      ------------  -----         -----------------     ------------
 2 Session2  Server01      Disconnected  Microsoft.PowerShell          None
 3 本番      サーバー      Opened        Microsoft.PowerShell     Available
`
)

// listed is a session as the table and the JSON outputs have it.
type listed struct {
	ID                int    `json:"Id" table:"Id,right"`
	Name              string `table:"Name"`
	Transport         string `wide:"Transport"`
	ComputerName      string `table:"ComputerName"`
	State             string `table:"State"`
	ConfigurationName string `table:"ConfigurationName"`
	Availability      string `table:"Availability,right"`
	InstanceID        string `json:"InstanceId"`
}

func TestParseSessionRefs(t *testing.T) {
	table := []SessionRef{{ID: 2, Name: "Session2", ComputerName: "Server01"}, {ID: 3, Name: "本番", ComputerName: "サーバー"}}
	json := SessionRef{ID: 4, InstanceID: testGUID, Name: "n", ComputerName: "c"}
	object := `{"Id":4,"Name":"n","InstanceId":"` + strings.ToUpper(testGUID) + `","ComputerName":"c","State":"Opened"}`
	for _, test := range []struct {
		in   string
		want []SessionRef
	}{
		{"", nil},
		{" \n\r\n\t\n", nil},
		{"7", []SessionRef{{ID: 7}}},
		{" 7 \r\n\r\n12\n", []SessionRef{{ID: 7}, {ID: 12}}},
		{strings.ToUpper(testGUID) + "\n{" + testGUID + "}\n", []SessionRef{{InstanceID: testGUID}, {InstanceID: testGUID}}},
		{object, []SessionRef{json}},
		{object + "\n" + object + object + "\n\n5", []SessionRef{json, json, json, {ID: 5}}},
		{"[]\n", nil},
		{"[\n  " + object + ",\n  6, \"" + testGUID + "\", \"8\"\n]\n", []SessionRef{json, {ID: 6}, {InstanceID: testGUID}, {ID: 8}}},
		{`{"InstanceId":"` + testGUID + `"}`, []SessionRef{{InstanceID: testGUID}}},
		{testTable, table},
		{"\ufeff" + strings.ReplaceAll(testTable, "\n", "\r\n"), table},
		{"9\n" + testTable + "\n" + object + "\n" + testTable + testGUID, append(append(append([]SessionRef{{ID: 9}}, table...), json),
			append(table, SessionRef{InstanceID: testGUID})...)},
		{"Id Name\n-- ----\n 2 with  blanks\n10\n", []SessionRef{{ID: 2, Name: "with  blanks"}, {ID: 10}}},
		{"  Id Name\n  -- ----\n1234 x\n   5 y\n", []SessionRef{{ID: 1234, Name: "x"}, {ID: 5, Name: "y"}}},
	} {
		got, err := ParseSessionRefs(strings.NewReader(test.in))
		require.NoError(t, err, test.in)
		assert.Equal(t, test.want, withoutLines(got), test.in)
	}
}

func withoutLines(refs []SessionRef) []SessionRef {
	for i := range refs {
		refs[i].Line = 0
	}
	return refs
}

// A line of standard input may be a name; what is nothing else is one.
func TestParseSessionRefsTakesNames(t *testing.T) {
	refs, err := ParseSessionRefs(strings.NewReader("build\n7\n本番 2\n" + testTable + "nightly\nId,Name\n9,a\n\nName : b\nId   : 3\n\n{\"Name\":\"c\"}\n"))
	require.NoError(t, err)
	assert.Equal(t, []SessionRef{
		{Name: "build", Line: 1}, {ID: 7, Line: 2}, {Name: "本番 2", Line: 3},
		{ID: 2, Name: "Session2", ComputerName: "Server01", Line: 6}, {ID: 3, Name: "本番", ComputerName: "サーバー", Line: 7},
		{Name: "nightly", Line: 8}, {ID: 9, Name: "a", Line: 10}, {ID: 3, Name: "b", Line: 14}, {Name: "c", Line: 15},
	}, refs)
	for _, bad := range []string{"-2", "---", "a\x1bb", "{", strings.Repeat("x", 300), "Id,Name\nx,a", "Id : x\n"} {
		_, err := ParseSessionRefs(strings.NewReader("1\n" + bad))
		require.Error(t, err, bad)
		assert.Regexp(t, "^line [23] of the sessions: ", err.Error())
	}
}

func TestParseSessionRefsNamesTheBadLine(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"Session2", `line 1 of the sessions: "Session2" names no session`},
		{"1\n\n-2\n", `line 3 of the sessions: "-2"`},
		{"0", "line 1"},
		{"99999999999999999999", "line 1"},
		{testGUID + "0", "line 1"},
		{"1\n{\"Id\":", "line 2 of the sessions: the JSON that begins here"},
		{"{}", "line 1 of the sessions: the object has neither Id nor InstanceId"},
		{`{"Id":-1}`, "line 1"},
		{`{"Id":"x"}`, "the object is no session"},
		{`{"InstanceId":"x"}`, `the InstanceId "x" is no GUID`},
		{"1\n[\n1,\n[2]]", "line 2 of the sessions: element 2 of the array is an array"},
		{`[null]`, "element 1 of the array: null names no session"},
		{"[1,\n2\n]\nx", `line 4 of the sessions: "x"`},
		{"{\"Id\":1} x", `line 1 of the sessions: "x"`},
		{"Id Name\n", "line 2 of the sessions: the header"},
		{"Id Name\n-- ---\n", "line 2 of the sessions: the column Name"},
		{"Id Name\n--  ----\n", "line 2 of the sessions: the column Name"},
		{testTable + "x", `line 5 of the sessions: there is no id in the first column in "x"`},
		{"Id Name      ComputerName\n-- ----      ------------\n 2 Session2xxServer01", "line 3 of the sessions: the columns are not below"},
		{"Id Name      ComputerName\n-- ----      ------------\n 2 本本本本本本本本 x", "line 3 of the sessions: the columns are not below"},
		{strings.Repeat("x", 1000), strings.Repeat("x", 60) + "…"},
	} {
		_, err := ParseSessionRefText(test.in)
		require.ErrorContains(t, err, test.want, test.in)
		var e *api.Error
		require.ErrorAs(t, err, &e)
		assert.Equal(t, "InputObjectNotBound", e.FullyQualifiedErrorID)
		assert.NotEmpty(t, e.RecommendedAction)
	}
}

func TestParseSessionRefsReadErrors(t *testing.T) {
	_, err := ParseSessionRefs(iotest.ErrReader(errors.New("no more")))
	assert.ErrorContains(t, err, "no more")
	_, err = ParseSessionRefs(strings.NewReader(strings.Repeat("\n", maxRefInput+1)))
	assert.Equal(t, api.CodeTooLarge, api.AsError(err).Code)
}

// What the outputs print is what the input reads.
func TestParseSessionRefsReadsEveryOutput(t *testing.T) {
	text := rapid.OneOf(rapid.StringMatching(`[A-Za-z0-9._ -]{0,20}`), rapid.StringMatching(`[本番サーバー가é𠮷a]{0,12}`))
	rapid.Check(t, func(t *rapid.T) {
		var rows []listed
		var want []SessionRef
		for range rapid.IntRange(0, 6).Draw(t, "rows") {
			row := listed{
				ID:   rapid.IntRange(1, 12_000).Draw(t, "id"),
				Name: strings.TrimSpace(text.Draw(t, "name")), ComputerName: strings.TrimSpace(text.Draw(t, "computer")),
				Transport: "TLS", State: "Opened", ConfigurationName: text.Draw(t, "configuration"), Availability: "None",
				InstanceID: testGUID,
			}
			rows = append(rows, row)
			want = append(want, SessionRef{ID: row.ID, Name: row.Name, ComputerName: row.ComputerName})
		}
		for _, mode := range []format.Mode{
			format.ModeTable, format.ModeWide, format.ModeJSON, format.ModeNDJSON, format.ModeID, format.ModeInstanceID, format.ModeList, format.ModeCSV,
		} {
			var b strings.Builder
			require.NoError(t, format.Write(&b, format.Options{Mode: mode}, rows))
			got, err := ParseSessionRefText(b.String())
			require.NoError(t, err, b.String())
			require.Len(t, got, len(want))
			for i, ref := range want {
				switch mode {
				case format.ModeJSON, format.ModeNDJSON, format.ModeList, format.ModeCSV:
					ref.InstanceID = testGUID
				case format.ModeInstanceID:
					ref = SessionRef{InstanceID: testGUID}
				case format.ModeID:
					ref = SessionRef{ID: ref.ID}
				}
				got[i].Line = 0
				require.Equal(t, ref, got[i], b.String())
			}
		}
	})
}

func FuzzParseSessionRefs(f *testing.F) {
	for _, s := range []string{
		testTable, `[{"Id":1},2,"` + testGUID + `"]`, "{" + testGUID + "}", "{{", "Id Name\n-- ----\n", "Id Name\n", "[", "1\n{\"Id\":1}",
		"Id Name\n-- ----\n 1 \u0301本\n", "Id Name ComputerName\n-- ---- ------------\n 1\u200d",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		refs, err := ParseSessionRefText(s)
		if err != nil {
			assert.Equal(t, "InputObjectNotBound", api.AsError(err).FullyQualifiedErrorID)
			return
		}
		for _, ref := range refs {
			assert.True(t, ref.ID > 0 || ref.InstanceID != "" || ref.Name != "")
			assert.Positive(t, ref.Line)
		}
		_, _ = ParseSessionRefs(strings.NewReader(s))
	})
}
