package platform

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// A life that is over is named by what ended it, and one that is not known is not.
func TestLostReason(t *testing.T) {
	now := PresentLife()
	for want, was := range map[string]Life{
		"its session host ended": now,
		"the computer restarted": {BootID: "another", Init: now.Init},
		"its container ended":    {BootID: now.BootID, Init: now.Init + 1},
	} {
		if now.Init == 0 && want == "its container ended" {
			continue // this system does not tell
		}
		assert.Equal(t, want, LostReason(was))
	}
	assert.Equal(t, "its session host ended", LostReason(Life{BootID: now.BootID}), "facts of an older version")
}
