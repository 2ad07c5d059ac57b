package api_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pss/remote/api"
)

var (
	me    = api.ClientID{Principal: "ann", ID: "agent-1/tty"}
	other = api.ClientID{Principal: "ann", ID: "agent-2/tty"}
	// Another principal with the same words is another client.
	namesake = api.ClientID{Principal: "bob", ID: "agent-1/tty"}
)

// situation is a row of the table of states.
type situation struct {
	life      api.Life
	attached  string // "", "me", "other", "namesake"
	running   bool
	reachable bool
}

func (s situation) facts() *api.RunspaceInfo {
	f := &api.RunspaceInfo{Life: s.life, Epoch: 4}
	if c := map[string]api.ClientID{"me": me, "other": other, "namesake": namesake}[s.attached]; s.attached != "" {
		f.Attached = &api.Attachment{Client: c, Epoch: 4}
	}
	f.Pipelines = []api.Pipeline{{Number: 1, State: api.PipelineCompleted, LastSeq: 2, Acked: 2}}
	if s.running {
		f.Pipelines = append(f.Pipelines, api.Pipeline{Number: 2, State: api.PipelineRunning})
	}
	return f
}

// expected restates the table of the design in its own words: first what ends
// every question, then who holds the session.
var expected = map[string]map[string]string{
	"Broken": {"": "Broken None"},
	"Closed": {"": "Closed None"},
	"unreachable": {
		"": "Disconnected None",
	},
	"idle": {
		"nobody": "Disconnected None", "me": "Opened Available", "somebody": "Disconnected Busy",
	},
	"running": {
		"nobody": "Disconnected None", "me": "Opened Busy", "somebody": "Disconnected Busy",
	},
}

func (s situation) want() string {
	holder := map[string]string{"": "nobody", "me": "me", "other": "somebody", "namesake": "somebody"}[s.attached]
	switch {
	case s.life == api.LifeBroken || s.life == api.LifeClosed:
		return expected[string(s.life)][""]
	case !s.reachable:
		return expected["unreachable"][""]
	case s.running:
		return expected["running"][holder]
	}
	return expected["idle"][holder]
}

func TestViewIsTheTable(t *testing.T) {
	n := 0
	for _, life := range []api.Life{api.LifeOpen, api.LifeBroken, api.LifeClosed} {
		for _, attached := range []string{"", "me", "other", "namesake"} {
			for _, running := range []bool{false, true} {
				for _, reachable := range []bool{false, true} {
					s := situation{life, attached, running, reachable}
					state, avail := api.View(s.facts(), me, reachable)
					require.Equal(t, s.want(), fmt.Sprintf("%s %s", state, avail), "%+v", s)
					n++
				}
			}
		}
	}
	require.Equal(t, 48, n)
}

// The documented walk-through: two client sessions of one user on one session.
func TestViewOfTheTwoSessionWalkThrough(t *testing.T) {
	s1, s2 := me, other
	facts := &api.RunspaceInfo{Life: api.LifeOpen}
	seen := func(by api.ClientID) string {
		state, avail := api.View(facts, by, true)
		return fmt.Sprintf("%s, %s", state, avail)
	}
	attach := func(c api.ClientID) {
		facts.Epoch++
		facts.Attached = &api.Attachment{Client: c, Epoch: facts.Epoch}
	}
	attach(s1) // 1 New-PSSession
	require.Equal(t, "Opened, Available", seen(s1))
	require.Equal(t, "Disconnected, Busy", seen(s2)) // 2
	facts.Attached = nil                             // 3 Disconnect-PSSession
	require.Equal(t, "Disconnected, None", seen(s1))
	require.Equal(t, "Disconnected, None", seen(s2)) // 4: may connect
	attach(s2)                                       // 5 Connect-PSSession
	require.Equal(t, "Opened, Available", seen(s2))
	require.Equal(t, "Disconnected, Busy", seen(s1)) // 6
}

// A session lives through random events; a model that knows only who holds it
// and what runs says what each client must see.
func TestViewModel(t *testing.T) {
	clients := []api.ClientID{me, other, namesake}
	rapid.Check(t, func(t *rapid.T) {
		facts := &api.RunspaceInfo{Life: api.LifeOpen}
		holder, running, blocked, dead := -1, false, false, ""
		number := uint32(0)
		t.Repeat(map[string]func(*rapid.T){
			"attach": func(t *rapid.T) {
				if dead != "" {
					t.Skip()
				}
				holder = rapid.IntRange(0, len(clients)-1).Draw(t, "client")
				facts.Epoch++
				facts.Attached = &api.Attachment{Client: clients[holder], Epoch: facts.Epoch}
			},
			"detach": func(t *rapid.T) { holder, facts.Attached = -1, nil },
			"start": func(t *rapid.T) {
				if running || dead != "" {
					t.Skip()
				}
				number++
				running, blocked = true, false
				facts.Pipelines = append(facts.Pipelines, api.Pipeline{Number: number, State: api.PipelineRunning})
			},
			"print": func(t *rapid.T) {
				if !running {
					t.Skip()
				}
				p := &facts.Pipelines[len(facts.Pipelines)-1]
				p.LastSeq++
				blocked = rapid.Bool().Draw(t, "blocked")
				p.Blocked = blocked
			},
			"end": func(t *rapid.T) {
				if !running {
					t.Skip()
				}
				running = false
				p := &facts.Pipelines[len(facts.Pipelines)-1]
				p.State, p.Blocked, p.LastSeq = api.PipelineCompleted, false, p.LastSeq+1
			},
			"receive": func(t *rapid.T) {
				for i := range facts.Pipelines {
					facts.Pipelines[i].Acked = facts.Pipelines[i].LastSeq
				}
			},
			"die": func(t *rapid.T) {
				if dead != "" {
					t.Skip()
				}
				dead = rapid.SampledFrom([]string{"Broken", "Closed"}).Draw(t, "life")
				facts.Life, facts.Attached, holder = api.Life(dead), nil, -1
				if running {
					facts.Pipelines[len(facts.Pipelines)-1].State = api.PipelineLost
				}
			},
			"": func(t *rapid.T) {
				unread := false
				for _, p := range facts.Pipelines {
					unread = unread || p.Acked < p.LastSeq
				}
				for i, c := range clients {
					for _, reachable := range []bool{true, false} {
						s := situation{life: facts.Life, running: running, reachable: reachable}
						if holder >= 0 {
							s.attached = "other"
							if holder == i {
								s.attached = "me"
							}
						}
						state, avail := api.View(facts, c, reachable)
						require.Equal(t, s.want(), fmt.Sprintf("%s %s", state, avail))
					}
				}
				want := api.CommandNone
				switch {
				case running && dead != "":
					want = api.CommandLost
				case running && blocked:
					want = api.CommandBlocked
				case running:
					want = api.CommandRunning
				case unread:
					want = api.CommandFinished
				}
				require.Equal(t, want, api.CommandStateOf(facts))
			},
		})
	})
}
