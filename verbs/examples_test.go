package verbs

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestExamplesAreReal finds every output that help shows in the script that runs the
// examples on the real binary.
func TestExamplesAreReal(t *testing.T) {
	data, err := os.ReadFile("../testdata/script/help/examples.txtar")
	require.NoError(t, err)
	_, want, _ := strings.Cut(string(data), "-- want --\n")
	real := map[string]string{}
	for part := range strings.SplitSeq("\n"+want, "\n# ") {
		for _, c := range sortedCommands() {
			for _, e := range c.examples {
				if output, ok := strings.CutPrefix(part, e.command+"\n"); ok {
					real[e.command] = strings.TrimSuffix(output, "\n")
				}
			}
		}
	}
	shown := 0
	for _, c := range sortedCommands() {
		for _, e := range c.examples {
			if e.output != "" {
				shown++
				assert.Equal(t, real[e.command], e.output, "%s: %s", c.name, e.command)
			}
		}
	}
	assert.GreaterOrEqual(t, shown, 15)
}
