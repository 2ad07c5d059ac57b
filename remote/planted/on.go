//go:build pss_planted

package planted

import (
	"os"
	"slices"
	"strings"
)

var faults = strings.Split(os.Getenv("PSS_TEST_FAULT"), ",")

// On reports whether the fault of this name is switched on.
func On(name string) bool { return slices.Contains(faults, name) }
