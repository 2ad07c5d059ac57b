package verbs

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pss/format"
	"pss/remote/api"
)

// printedIn prints objects as a cmdlet upstream does.
func printedIn(t *testing.T, mode format.Mode, objects any) string {
	var b bytes.Buffer
	require.NoError(t, format.Write(&b, format.Options{Mode: mode}, objects))
	return b.String()
}

var printedModes = []format.Mode{format.ModeTable, format.ModeWide, format.ModeList, format.ModeJSON, format.ModeNDJSON, format.ModeCSV}

func TestKindsAreToldByWhatWasPrinted(t *testing.T) {
	sessions := []PSSession{{ID: 1, Name: "a b", InstanceID: someGUID, ComputerName: "localhost"}}
	configurations := []PSSessionConfiguration{{Name: "Test One"}, {Name: "sh", AllowedUsers: []string{"ann"}}}
	for _, mode := range printedModes {
		text := printedIn(t, mode, configurations)
		assert.NotNil(t, kindOf(text).owns, mode)
		names, err := parseConfigurationNames(text)
		require.NoError(t, err, mode)
		assert.Equal(t, []string{"Test One", "sh"}, names, mode)
		assert.Nil(t, kindOf(printedIn(t, mode, sessions)).owns, mode)
	}
	made := configurationContainer{Type: "Container", Keys: []string{"Name=x"}, Name: "x"}
	names, err := parseConfigurationNames(printedIn(t, format.ModeTable, &made))
	require.NoError(t, err)
	assert.Equal(t, []string{"x"}, names)
	for _, text := range []string{"", "\n", "1\n2\n", someGUID, "[]", "[3]", "{", "Id Name\n-- ----\n 1 x\n", "name\n", `[{"Id":1,"Name":"x"}]`, "Name  State\n----  -----\nx     Opened\n"} {
		assert.Nil(t, kindOf(text).owns, text)
	}
}

func TestNamesOfConfigurations(t *testing.T) {
	for text, want := range map[string][]string{
		"":                            nil,
		"Test\nsh\n":                  {"Test", "sh"},
		`{"Name":"a"}`:                {"a"},
		`[{"Name":"a"},{"Name":"b"}]`: {"a", "b"},
		"Name Engine\n---- ------\na b  sh\n本    bash\n": {"a b", "本"},
		"Engine Name\n------ ----\nsh     a\n":           {"a"},
	} {
		names, err := parseConfigurationNames(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, names, text)
	}
	for _, text := range []string{"3\n", someGUID, "Engine\n------\nsh\n", "Name Engine\n----\nx\n", "{"} {
		_, err := parseConfigurationNames(text)
		assert.Error(t, err, text)
	}
}

func TestPermissions(t *testing.T) {
	off := false
	assert.Equal(t, "ann AccessAllowed, bob AccessAllowed", permission(&api.SessionConfiguration{AllowedUsers: []string{"ann", "bob"}}))
	assert.Equal(t, "Everyone AccessDenied, ann AccessAllowed", permission(&api.SessionConfiguration{Enabled: &off, AllowedUsers: []string{"ann"}}))
}

func FuzzParseConfigurationNames(f *testing.F) {
	f.Add("Name Engine\n---- ------\na    sh\n")
	f.Add("Name : a\nEngine : sh\n\nName : b\n")
	f.Fuzz(func(t *testing.T, text string) {
		labels := labelsOf(text)
		assert.False(t, slices.Contains(labels, " "))
		names, err := parseConfigurationNames(text)
		if err == nil {
			assert.False(t, slices.ContainsFunc(names, func(n string) bool { return strings.TrimSpace(n) == "" }), "%q", names)
		}
	})
}
