//go:build linux

package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// record is a line of --output ndjson.
type record struct {
	Type        string
	RunspaceID  string `json:"RunspaceId"`
	Pipeline    uint32
	Seq         uint64
	Kind        string
	Data        string
	Value       json.RawMessage
	Outcome     string
	ExitCode    *int
	ErrorSource string
}

// records reads NDJSON; a last line that is cut by a kill is dropped.
func records(t *testing.T, out string) (recs []record, last *record) {
	t.Helper()
	sc := bufio.NewScanner(strings.NewReader(out))
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		var r record
		if json.Unmarshal(sc.Bytes(), &r) != nil {
			continue
		}
		if r.Type == "Result" {
			last = &r
		} else {
			recs = append(recs, r)
		}
	}
	return recs, last
}

// collector puts together what several deliveries brought: it drops what Seq
// says was there before, and fails on a hole.
type collector struct {
	t    *testing.T
	seq  map[uint32]uint64
	text map[string]*strings.Builder // by kind
	ends int
}

func newCollector(t *testing.T) *collector {
	return &collector{t: t, seq: map[uint32]uint64{}, text: map[string]*strings.Builder{"Output": {}, "Error": {}}}
}

// take adds one delivery and returns how many records were repeated.
func (c *collector) take(recs []record) (repeated int) {
	c.t.Helper()
	for _, r := range recs {
		if r.Seq <= c.seq[r.Pipeline] {
			repeated++
			continue
		}
		require.Equal(c.t, c.seq[r.Pipeline]+1, r.Seq, "a hole in pipeline %d", r.Pipeline)
		c.seq[r.Pipeline] = r.Seq
		if b := c.text[r.Kind]; b != nil {
			b.WriteString(r.Data)
		}
		if r.Kind == "End" {
			c.ends++
		}
	}
	return repeated
}

// numbered is a bash script that prints numbered lines with a checksum on both
// streams until the file "stop" appears, tells its count in a file, and exits
// with code. pause is a command between two groups of lines.
func numbered(dir string, k, code int, pause string) string {
	return numberedTo(20000, dir, k, code, pause)
}

// numberedTo is numbered with another number of lines at which it stops by itself.
func numberedTo(limit int, dir string, k, code int, pause string) string {
	return fmt.Sprintf(`i=0
while [ ! -e %[1]s/stop ] && [ $i -lt %[5]d ]; do
  i=$((i+1)); c=$(( (i*7919 + %[2]d*104729) %% 1000003 ))
  echo "o $i $c"; echo "e $i $c" >&2
  [ $((i %% 5)) -ne 0 ] || { echo $i > %[1]s/count.%[2]d; %[4]s; }
done
echo "end $i"
exit %[3]d`, dir, k, code, pause, limit)
}

// count is how far the numbered command k has come.
func count(dir string, k int) int {
	b, _ := os.ReadFile(filepath.Join(dir, fmt.Sprintf("count.%d", k)))
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return n
}

// checkNumbered proves that out and errs are complete, in order and unchanged.
func checkNumbered(t *testing.T, k int, out, errs string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	n := len(lines) - 1
	require.Equal(t, fmt.Sprintf("end %d", n), lines[n], "command %d", k)
	var wantOut, wantErr strings.Builder
	for i := 1; i <= n; i++ {
		c := (i*7919 + k*104729) % 1000003
		fmt.Fprintf(&wantOut, "o %d %d\n", i, c)
		fmt.Fprintf(&wantErr, "e %d %d\n", i, c)
	}
	fmt.Fprintf(&wantOut, "end %d\n", n)
	require.True(t, wantOut.String() == out, "output of command %d is not what it printed", k)
	require.True(t, wantErr.String() == errs, "errors of command %d are not what it printed", k)
}

// withoutWarnings drops our own lines about lost connections.
func withoutWarnings(errs string) string {
	var b strings.Builder
	for l := range strings.Lines(errs) {
		if !strings.HasPrefix(l, "WARNING: The network connection to ") {
			b.WriteString(l)
		}
	}
	return b.String()
}
