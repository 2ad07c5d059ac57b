package verbs

import (
	"context"

	"pss/format"
)

func init() { register("Format-Table", []string{"ft"}, newFormatTable) }

func newFormatTable() *command {
	return &command{
		name: "Format-Table", aliases: []string{"ft"},
		synopsis: "Shows chosen properties of piped objects as a table.",
		notes: "It reads sessions, jobs and session configurations as this program prints them, in any output format: ids, names, tables, lists, CSV or JSON. " +
			"That names them; the objects themselves are asked for anew, so that properties can be shown which the text does not have. " +
			"Columns are as wide as what stands in them.",
		params: []param{
			flag("HideTableHeaders", "leave out the header"),
			flag("AutoSize", "").ignored("columns are always as wide as what stands in them"),
			flag("Wrap", "").ignored("cells are cut to the width of a terminal only"),
			value("GroupBy", "").refused("sort(1) and awk(1) group lines"), value("View", "").refused("--property chooses the columns"),
		},
		positional: [][]string{{"Property"}},
		examples: []example{
			{command: "pss get-pssessionconfiguration | pss format-table Name, IdleTimeoutMs, MaxIdleTimeoutMs", says: "properties that the list does not show"},
			{command: "pss get-pssession | pss ft Id, Name, CommandState, UnreadBytes", says: "of sessions",
				output: "Id Name      CommandState  UnreadBytes\n-- ----      ------------  -----------\n 1 build     None                    0\n 2 nightly   None                    0\n 3 Session1  None                    0"},
		},
		run: runFormatTable,
	}
}

func runFormatTable(ctx context.Context, rt *Runtime, in *input) error {
	f := &failures{rt: rt, cmd: in.cmd}
	p, err := readObjects(ctx, rt, in, f)
	if err != nil {
		return err
	}
	if !in.given("output") {
		rt.mode.Mode = format.ModeTable
	}
	rt.mode.NoHeader = in.Bool("hide-table-headers")
	if len(rt.mode.Properties) == 0 && rt.mode.Mode == format.ModeTable {
		rt.mode.Properties = p.kind.columns
	}
	if err := rt.write(p.slice.Interface()); err != nil {
		return err
	}
	return f.result(p.count(f))
}
