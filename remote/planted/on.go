//go:build pss_planted

package planted

import "os"

var fault = os.Getenv("PSS_TEST_FAULT")

// On reports whether the fault of this name is switched on.
func On(name string) bool { return name == fault }
