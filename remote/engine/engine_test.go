//go:build unix

package engine_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"pss/remote/engine"
	"pss/remote/engine/enginetest"
)

// TestMain lets more tests run at once than there are processors: they wait for shells.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("8")
	}
	m.Run()
}

// TestEngines runs the suite for every engine and every shell that this computer has.
func TestEngines(t *testing.T) {
	for _, name := range engine.Names() {
		e, _ := engine.Lookup(name)
		if _, err := e.Find(""); err != nil {
			continue
		}
		t.Run(name, func(t *testing.T) { enginetest.Run(t, name) })
	}
	// One binary may be several shells, by the name that it is called.
	for _, as := range []struct{ binary, link string }{{"bash", "sh"}} {
		binary, err := exec.LookPath(as.binary)
		if err != nil {
			continue
		}
		t.Run(as.binary+" as sh", func(t *testing.T) {
			link := filepath.Join(t.TempDir(), as.link)
			if err := os.Symlink(binary, link); err != nil {
				t.Fatal(err)
			}
			enginetest.RunShell(t, "sh", link)
		})
	}
}
