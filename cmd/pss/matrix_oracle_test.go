//go:build linux

package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
	"pss/remote/platform"
)

// check looks at what the fault has left, when none can happen any more: first at
// what is there, then at what was received, and last at what remains when everything
// is removed.
func (s *story) check() {
	s.disarm()
	for _, o := range s.orders {
		s.release(o)
	}
	all := s.listed()
	s.free(all)
	for id, l := range all {
		if l.InputState == string(api.InputInterrupted) {
			s.stop(witness, id)
		}
		s.receive(witness, id)
	}
	all = s.listed()
	for id := range s.lost {
		if l, there := all[id]; there {
			require.Equal(s.t, "Broken", l.State, "a cmdlet called it lost")
		}
	}
	s.orphans(all)
	s.oracle()
	for id := range all {
		r := s.run(witness, "remove-pssession", "--computer-name", "localhost", "--instance-id", id)
		require.Zero(s.t, r.code, r.err)
	}
	require.Empty(s.t, s.list(witness, "--computer-name", "localhost"))
	for _, who := range []string{one, two, three} {
		require.Empty(s.t, s.list(who), who)
	}
	s.descriptors()
	s.nothingLeft()
}

func (s *story) list(who string, args ...string) map[string]line {
	s.t.Helper()
	r := s.run(who, append([]string{"get-pssession", "--output", "json"}, args...)...)
	require.Zero(s.t, r.code, r.err)
	var lines []line
	require.NoError(s.t, json.Unmarshal([]byte(r.out), &lines), r.out)
	all := map[string]line{}
	for _, l := range lines {
		all[l.InstanceID] = l
	}
	return all
}

// listed returns the sessions: each that was made and not removed is there, as what
// it is, and none that was removed.
func (s *story) listed() map[string]line {
	s.t.Helper()
	all := s.list(witness, "--computer-name", "localhost")
	for id, name := range s.made {
		if _, asked := s.ending[id]; !asked {
			require.Contains(s.t, all, id, "%s has disappeared", name)
		}
	}
	for id, removed := range s.ending {
		if removed {
			require.NotContains(s.t, all, id, "was removed")
		}
	}
	for id, l := range all {
		require.True(s.t, s.names[l.Name] || strings.HasPrefix(l.Name, "Temporary-"), "nobody asked for %q", l.Name)
		switch l.State {
		case "Disconnected", "Opened":
		case "Broken":
			require.NotEmpty(s.t, l.Reason, l.Name)
			require.True(s.t, s.mayLose(), "%s is %s: %s", l.Name, l.State, l.Reason)
			s.lost[id] = true
		default:
			require.Fail(s.t, "unexpected state", "%s: %s", l.Name, l.status())
		}
	}
	return all
}

// free has every client session disconnect what it holds.
func (s *story) free(all map[string]line) {
	for _, who := range []string{one, two, three} {
		for id, l := range s.list(who, "--computer-name", "localhost") {
			require.Contains(s.t, all, id)
			if l.State == "Opened" {
				r := s.run(who, "disconnect-pssession", "--instance-id", id)
				require.Zero(s.t, r.code, r.err)
			}
		}
	}
	for _, l := range s.list(witness, "--computer-name", "localhost") {
		require.Equal(s.t, "None", l.Availability, "%s is held by nobody", l.Name)
	}
}

// received is what all deliveries of one pipeline amount to.
type received struct {
	seq       uint64
	out, errs strings.Builder
	end       *api.PipelineEnd
}

// oracle puts the deliveries together by Seq: nothing is missing, repeated without
// a broken delivery before it, out of order or altered; and no command ran twice.
func (s *story) oracle() {
	type key struct {
		session  string
		pipeline uint32
	}
	all := map[key]*received{}
	whole := map[string]bool{} // the last delivery of this session was
	for _, d := range s.got {
		last := map[uint32]uint64{}
		for _, r := range d.recs {
			at := key{d.session, r.Pipeline}
			p := all[at]
			if p == nil {
				p = &received{}
				all[at] = p
			}
			if l, ok := last[r.Pipeline]; ok {
				require.Equal(s.t, l+1, r.Seq, "%s: order within a delivery", d.what)
			}
			last[r.Pipeline] = r.Seq
			require.Greater(s.t, r.Seq, d.acked[r.Pipeline], "%s: acknowledged before, in pipeline %d", d.what, r.Pipeline)
			if r.Seq <= p.seq {
				require.False(s.t, whole[d.session], "%s: record %d of pipeline %d again, although the delivery before was whole", d.what, r.Seq, r.Pipeline)
				continue
			}
			require.Equal(s.t, p.seq+1, r.Seq, "%s: missing in pipeline %d", d.what, r.Pipeline)
			p.take(s, r)
		}
		whole[d.session] = d.whole() || d.gone()
	}
	ks := map[string]*received{}
	for at, p := range all {
		head, _, _ := strings.Cut(p.out.String(), "\n")
		if head != "" {
			require.NotContains(s.t, ks, head, "delivered as two pipelines")
			ks[head] = p
		}
		if p.end == nil || p.end.Outcome == api.OutcomeLost {
			require.True(s.t, s.lost[at.session], "pipeline %d of %s has no end", at.pipeline, at.session)
		}
	}
	for _, o := range s.orders {
		p := ks[fmt.Sprintf("command %d", o.k)]
		s.judge(o, p)
		delete(ks, fmt.Sprintf("command %d", o.k))
	}
	require.Empty(s.t, ks, "output that nobody printed")
	for name, f := range s.w.facts() {
		for _, p := range f.info.Pipelines {
			got := all[key{f.info.InstanceID, p.Number}]
			require.NotNil(s.t, got, "pipeline %d of %s", p.Number, name)
			require.Equal(s.t, p.LastSeq, got.seq, "pipeline %d of %s: last record", p.Number, name)
			require.Equal(s.t, got.end.Outcome, p.Outcome, "pipeline %d of %s", p.Number, name)
			require.Equal(s.t, got.end.ExitCode, p.ExitCode, "pipeline %d of %s", p.Number, name)
		}
	}
}

func (p *received) take(s *story, r record) {
	p.seq = r.Seq
	switch r.Kind {
	case "Output":
		p.out.WriteString(r.Data)
	case "Error":
		p.errs.WriteString(r.Data)
	case "End":
		require.Nil(s.t, p.end, "two ends")
		p.end = &api.PipelineEnd{}
		require.NoError(s.t, json.Unmarshal(r.Value, p.end))
	default:
		require.Fail(s.t, "unexpected record", "%+v", r)
	}
}

// judge compares what was received of a command with what it printed.
func (s *story) judge(o *order, p *received) {
	runs, _ := os.ReadFile(s.folder(o) + "/runs")
	n := strings.Count(string(runs), "\n")
	require.LessOrEqual(s.t, n, 1, "command %d ran more than once", o.k)
	if o.told || p != nil {
		require.Equal(s.t, 1, n, "command %d did not run", o.k)
	}
	if p == nil {
		require.False(s.t, o.told, "nothing was received of command %d", o.k)
		return
	}
	_, out, _ := strings.Cut(p.out.String(), "\n")
	if o.input != "" {
		s.judgeInput(o, p, out)
		return
	}
	if p.end == nil || p.end.Outcome == api.OutcomeLost {
		requirePrefix(s.t, o.k, withoutEnd(out), p.errs.String())
		return
	}
	require.Equal(s.t, api.OutcomeExited, p.end.Outcome)
	require.Equal(s.t, o.code(), *p.end.ExitCode)
	checkNumbered(s.t, o.k, out, p.errs.String())
}

// withoutEnd cuts the last line off, which tells the count.
func withoutEnd(out string) string {
	if i := strings.LastIndex("\n"+out, "\nend "); i >= 0 {
		return out[:max(0, i)]
	}
	return out
}

// orphans demands that every process is a daemon's, or of a session that lives.
func (s *story) orphans(all map[string]line) {
	var stray []string
	eventually(s.t, "only living sessions have processes", func() bool {
		stray = stray[:0]
		living := map[string]bool{}
		spares := 0
		dirs, _ := filepath.Glob(s.w.path("s", "*"))
		for _, dir := range dirs {
			info, err := api.ReadFacts(filepath.Join(dir, api.FactsFile))
			held, _ := platform.LockHeld(filepath.Join(dir, "lock"))
			switch {
			case err != nil && held:
				spares++
				living[dir] = true
			case err != nil:
				stray = append(stray, "folder "+dir)
			case all[info.InstanceID].State != "Broken":
				living[dir] = held
			}
		}
		if spares > 1 {
			stray = append(stray, fmt.Sprintf("%d spares", spares))
		}
		for _, pid := range s.w.processes() {
			env := string(proc(pid, "environ"))
			_, dir, marked := strings.Cut("\x00"+env, "\x00"+platform.Marker+"=")
			dir, _, _ = strings.Cut(dir, "\x00")
			if marked && !living[filepath.Dir(dir)] && alive(pid) {
				stray = append(stray, fmt.Sprintf("process %d %q", pid, proc(pid, "cmdline")))
			}
		}
		return len(stray) == 0
	})
}

// baseline starts the daemons and notes how many descriptors they have with
// nothing to do.
func (s *story) baseline() {
	for try := 0; len(s.fds) < 2; try++ {
		require.Less(s.t, try, 6, "the daemons do not start")
		if s.run(witness, "get-pssession", "--computer-name", "localhost").code != 0 {
			continue
		}
		for _, role := range []string{"agent", "host"} {
			if fds := descriptorsOf(first(s.w.role(role))); len(fds) > 0 {
				s.fds[role] = fds
			}
		}
	}
}

// descriptorsOf counts a process's descriptors by what they are.
func descriptorsOf(pid int) map[string]int {
	kinds := map[string]int{}
	fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	for _, fd := range fds {
		to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd.Name()))
		if err != nil {
			continue
		}
		kind, _, _ := strings.Cut(to, ":")
		if strings.HasPrefix(to, "anon_inode:") {
			kind = to
		}
		if strings.HasPrefix(to, "/") {
			kind = "file"
		}
		kinds[kind]++
	}
	return kinds
}

// keptConnections is how many connections agent and host may keep for later: one
// or two for each client session that has spoken.
const keptConnections = 8

// descriptors demands that the daemons have given back what the story took.
func (s *story) descriptors() {
	for _, role := range []string{"agent", "host"} {
		eventually(s.t, role+" has its descriptors back", func() bool {
			pid := first(s.w.role(role))
			now := descriptorsOf(pid)
			for kind, n := range now {
				kept := 0
				if kind == "socket" {
					kept = keptConnections
				}
				if n > s.fds[role][kind]+kept && alive(pid) {
					s.leak = fmt.Sprint(role, " ", now, " at first ", s.fds[role])
					return false
				}
			}
			return true // it has what it had, or has ended, having nothing to do
		})
	}
}

// remaining are the files that stay when the daemons have ended.
var remaining = regexp.MustCompile(`^((config|host)\.toml|(agent|host)/(lock|log|id)|agent/(table\.ndjson|computers\.json)|host/(cert\.pem|token|audit\.ndjson)|cmdlet\.\d+\.(out|err)|k\d+/(runs|stop|input|count\.\d+))$`)

// nothingLeft waits until the daemons have ended by themselves: then there is no
// process and no file any more that the story did not find.
func (s *story) nothingLeft() {
	eventually(s.t, "the daemons end by themselves", func() bool { return len(s.w.processes()) == 0 })
	require.NoError(s.t, filepath.WalkDir(s.w.home, func(path string, d os.DirEntry, err error) error {
		rel, _ := filepath.Rel(s.w.home, path)
		if inSessions := strings.HasPrefix(rel, "s/"); err == nil && (!d.IsDir() || inSessions) && !remaining.MatchString(rel) {
			text, _ := os.ReadFile(path)
			s.t.Errorf("left: %s\n%.2000s", rel, text)
		}
		return err
	}))
}
