package verbs

import (
	"context"
	"path"

	"pss/remote/api"
)

// BinaryCopy is what Remove-PSSession -Purge prints of each copy of pss.
type BinaryCopy struct {
	ComputerName string `table:"ComputerName"`
	Name         string `table:"Name"`
	Length       int64  `table:"Length,right"` // bytes
	Status       string `table:"Status"`
	Path         string
	Reason       string
}

// runPurge removes the sessions that are named, if any are, and has the computers
// delete the copies of pss that no session runs then.
func runPurge(ctx context.Context, rt *Runtime, in *input) error {
	var removed error
	if in.given("name") || in.given("instance-id") {
		removed = removeSessions(ctx, rt, in)
	}
	computers, err := readComputers(rt, in)
	if err != nil {
		return err
	}
	agent, err := rt.Agent()
	if err != nil {
		return err
	}
	f := &failures{rt: rt, cmd: in.cmd}
	var wanted []string
	for _, computer := range once(computers) {
		ok, err := rt.should("Delete unused copies of pss", api.ComputerOf(computer))
		if err != nil {
			return err
		}
		if ok {
			wanted = append(wanted, computer)
		}
	}
	copies := []BinaryCopy{}
	for i, o := range each(wanted, defaultThrottle, func(_ int, computer string) (*api.CopyList, error) { return agent.Purge(ctx, computer) }) {
		if o.err != nil {
			f.add(o.err)
			continue
		}
		for _, c := range o.value.Copies {
			copies = append(copies, BinaryCopy{
				ComputerName: api.ComputerOf(wanted[i]), Name: path.Base(c.Path), Length: c.Size, Status: string(c.Status), Path: c.Path, Reason: c.Reason,
			})
		}
	}
	if err := rt.write(copies); err != nil {
		return err
	}
	if err := f.result(max(1, len(computers))); err != nil {
		return err
	}
	return removed
}
