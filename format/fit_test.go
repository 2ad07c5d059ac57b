package format_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pss/format"
)

func TestFitShrinksVeryWideColumnsThenDropsTheLast(t *testing.T) {
	rows := []session{one()}
	full := write(t, format.Options{}, rows)
	assert.Equal(t, full, write(t, format.Options{Width: 75}, rows), "it fits exactly")
	assert.Equal(t, `Id Name      ComputerName  State         ConfigurationName     Availab…
-- ----      ------------  -----         -----------------     --------
 2 Session2  Server01      Disconnected  Microsoft.PowerShell  None
`, strings.ReplaceAll(write(t, format.Options{Width: 71}, rows), "      None", "  None"))
	assert.Equal(t, `Id Name      ComputerName  State         Configur…
-- ----      ------------  -----         ---------
 2 Session2  Server01      Disconnected  Microsof…
`, write(t, format.Options{Width: 50}, rows))
	long := one()
	long.Name = strings.Repeat("long", 10)
	assert.Equal(t, `Id Name                      ComputerName  State         ConfigurationName     Availability
-- ----                      ------------  -----         -----------------     ------------
 2 longlonglonglonglonglon…  Server01      Disconnected  Microsoft.PowerShell          None
`, write(t, format.Options{Width: 91}, []session{long}), "very wide columns shrink first")
	assert.Equal(t, "Id Name\n-- ----\n 2 Session2\n", write(t, format.Options{Width: 12}, rows))
	assert.Equal(t, "Id\n--\n 2\n", write(t, format.Options{Width: 2}, rows))
	assert.Equal(t, "…\n-\n2\n", write(t, format.Options{Width: 1}, rows))
}

func TestFittedLinesAreNeverTooWide(t *testing.T) {
	cell := rapid.OneOf(rapid.String(), rapid.StringN(0, 60, -1), rapid.StringMatching(`[a-z本番サー]{0,40}`))
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) session {
			return session{
				ID: rapid.IntRange(0, 1_000_000).Draw(t, "id"), Name: cell.Draw(t, "name"),
				ComputerName: cell.Draw(t, "computer"), State: state(cell.Draw(t, "state")),
				ConfigurationName: cell.Draw(t, "configuration"), Availability: cell.Draw(t, "availability"),
			}
		}), 1, 5).Draw(t, "rows")
		width := rapid.IntRange(1, 120).Draw(t, "width")
		var b bytes.Buffer
		require.NoError(t, format.Write(&b, format.Options{Width: width}, rows))
		assert.Equal(t, len(rows)+2, strings.Count(b.String(), "\n"))
		for line := range strings.Lines(b.String()) {
			line = strings.TrimSuffix(line, "\n")
			assert.LessOrEqual(t, format.Width(line), width, "%q", line)
			assert.Equal(t, strings.TrimRight(line, " "), line)
		}
	})
}

func benchmark(b *testing.B, n int, o format.Options) {
	rows := make([]session, n)
	for i := range rows {
		rows[i] = one()
		rows[i].ID = i + 1
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := format.Write(io.Discard, o, rows); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTableOneRow(b *testing.B)       { benchmark(b, 1, format.Options{}) }
func BenchmarkTableOneRowFitted(b *testing.B) { benchmark(b, 1, format.Options{Width: 80}) }
func BenchmarkTable10000Rows(b *testing.B)    { benchmark(b, 10_000, format.Options{}) }
func BenchmarkListOneRow(b *testing.B)        { benchmark(b, 1, format.Options{Mode: format.ModeList}) }
func BenchmarkJSONOneRow(b *testing.B)        { benchmark(b, 1, format.Options{Mode: format.ModeJSON}) }

func TestWideTableInATerminalLeavesOutWhatIsEmpty(t *testing.T) {
	bare := one()
	bare.Transport = ""
	assert.Contains(t, write(t, format.Options{Mode: format.ModeWide}, []session{bare}), "Transport")
	assert.NotContains(t, write(t, format.Options{Mode: format.ModeWide, Width: 120}, []session{bare}), "Transport")
	assert.Contains(t, write(t, format.Options{Mode: format.ModeWide, Width: 120}, []session{bare, one()}), "Transport")
}
