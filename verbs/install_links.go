package verbs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"pss/remote/api"
)

func init() { register("Install-Links", nil, newInstallLinks) }

func newInstallLinks() *command {
	return &command{
		name: "Install-Links", synopsis: "Makes links to pss in PowerShell's spelling, such as New-PSSession.",
		notes: "Called by such a name the binary is that cmdlet. What is there already and right stays; a file that is no link to pss is never replaced unless --force says so, " +
			"and then nothing of the others is made either. A link names pss by the path by which it was called, so that it leads to the next version after an update; " +
			"a link beside the binary is relative. PowerShell has no such cmdlet.",
		sets: []paramSet{{mandatory: []string{"Path"}}},
		params: []param{
			value("Path", "the folder; it is made if it is not there").alias("Directory").takes(notEmpty("DIR")),
			flag("Aliases", "PowerShell's aliases too: icm, gsn, nsn, …"),
			flag("Force", "replace files that are in the way"),
			flag("Remove", "take the links away, those of aliases too; other files stay"),
		},
		positional: [][]string{{"Path"}},
		should:     true,
		examples: []example{
			{command: "pss install-links ~/bin", says: "then Get-PSSession -ComputerName server01 works in a shell"},
			{command: "pss install-links ~/bin --remove", says: "undoes it"},
		},
		prints: LinkObject{},
		run:    runInstallLinks,
	}
}

// LinkObject is a link as install-links reports it (pss help about_JSON_Output).
type LinkObject struct {
	Name   string `table:"Name"`
	Action string `table:"Action"` // Made, Replaced, Kept or Removed
	Path   string
	Target string `table:"Target"`
}

func runInstallLinks(_ context.Context, rt *Runtime, in *input) error {
	dir, err := filepath.Abs(in.String("path"))
	if err != nil {
		return err
	}
	action := "Make links to pss"
	if in.Bool("remove") {
		action = "Remove the links to pss"
	}
	if ok, err := rt.should(action, dir); !ok {
		return err
	}
	l, err := newLinks(dir)
	if err != nil {
		return err
	}
	if in.Bool("remove") {
		err = l.remove()
	} else {
		err = l.install(LinkNames(in.Bool("aliases")), in.Bool("force"))
	}
	if werr := rt.write(l.done); err == nil {
		err = werr
	}
	if err == nil && !in.Bool("remove") {
		rt.tellPath(dir)
	}
	return err
}

// links are those of one folder.
type links struct {
	dir    string
	binary string // where pss is, by the path that a link may keep
	target string // what our links say
	done   []LinkObject
}

func newLinks(dir string) (*links, error) {
	binary, err := stableExecutable()
	if err != nil {
		return nil, api.Errorf(api.CodeInternal, "the running program was not found: %v", err)
	}
	l := &links{dir: dir, binary: binary, target: binary, done: []LinkObject{}}
	if filepath.Dir(binary) == dir {
		l.target = filepath.Base(binary)
	}
	return l, nil
}

// stableExecutable returns the path by which the binary was called, if that leads to
// it: the place where it really lies may have a version in its name. A cmdlet's link is
// no such path, it may be the one that is to be removed.
func stableExecutable() (string, error) {
	real, err := os.Executable()
	if err != nil {
		return "", err
	}
	called, err := exec.LookPath(os.Args[0])
	if err != nil || slices.Contains(LinkNames(true), filepath.Base(called)) || !sameFile(called, real) {
		return real, nil
	}
	return filepath.Abs(called)
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// ours reports whether path is a link to pss, also to one that has moved away.
func (l *links) ours(path string) bool {
	target, err := os.Readlink(path)
	return err == nil && (filepath.Base(target) == filepath.Base(l.binary) || sameFile(path, l.binary))
}

// install makes the links. Whatever is in the way is found before the first is made.
func (l *links) install(names []string, force bool) error {
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		return linkError(l.dir, err)
	}
	var foreign []string
	for _, name := range names {
		path := filepath.Join(l.dir, name)
		st, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return linkError(path, err)
		case st.IsDir(), !force && !l.ours(path):
			foreign = append(foreign, name)
		}
	}
	if len(foreign) > 0 {
		e := api.Errorf(api.CodeConflict, "%s has files that are no links to pss: %s; nothing was changed", l.dir, strings.Join(foreign, ", ")).
			WithID("FileExists").On(filepath.Join(l.dir, foreign[0]))
		return e.Hint("choose another folder, or replace the files with --force; a folder is never replaced")
	}
	for _, name := range names {
		if err := l.make(name); err != nil {
			return err
		}
	}
	return nil
}

// make makes one link. It appears by a rename, so that there is always one.
func (l *links) make(name string) error {
	path := filepath.Join(l.dir, name)
	o := LinkObject{Name: name, Action: "Made", Path: path, Target: l.target}
	if _, err := os.Lstat(path); err == nil {
		o.Action = "Replaced"
		if target, err := os.Readlink(path); err == nil && target == l.target {
			o.Action = "Kept"
		}
	}
	if o.Action != "Kept" {
		temporary := filepath.Join(l.dir, "."+name+".pss")
		if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return linkError(temporary, err)
		}
		if err := os.Symlink(l.target, temporary); err != nil {
			return linkError(path, err)
		}
		if err := os.Rename(temporary, path); err != nil {
			os.Remove(temporary)
			return linkError(path, err)
		}
	}
	l.done = append(l.done, o)
	return nil
}

// remove takes our links away and leaves everything else.
func (l *links) remove() error {
	for _, name := range LinkNames(true) {
		path := filepath.Join(l.dir, name)
		target, err := os.Readlink(path)
		if err != nil || !l.ours(path) {
			continue
		}
		if err := os.Remove(path); err != nil {
			return linkError(path, err)
		}
		l.done = append(l.done, LinkObject{Name: name, Action: "Removed", Path: path, Target: target})
	}
	return nil
}

func linkError(path string, err error) error {
	return api.Errorf(api.CodeInternal, "the link could not be changed: %v", err).WithID("LinkError").On(path).
		Hint("choose a folder that you may write to: pss install-links ~/bin")
}

// tellPath says how the links are found, if the shell does not find them.
func (rt *Runtime) tellPath(dir string) {
	for _, p := range filepath.SplitList(rt.Getenv("PATH")) {
		if sameFile(p, dir) {
			return
		}
	}
	rt.tell("%s is not in PATH. Add it, in ~/.profile:\n  export PATH=\"%s:$PATH\"", dir, dir)
}
