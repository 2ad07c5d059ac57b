package verbs

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"pss/remote/api"
)

func TestClockText(t *testing.T) {
	assert.Empty(t, clockText(nil))
	for ms, want := range map[int64]string{
		0: "+0.0s", -20: "+0.0s", 49: "+0.0s", 151: "+0.2s", -2500: "-2.5s", 59_940: "+59.9s",
		90_000: "+1m30s", -3_600_400: "-1h0m0s",
	} {
		assert.Equal(t, want, clockText(&ms), ms)
	}
}

func TestStatusOf(t *testing.T) {
	assert.Equal(t, "Ok", statusOf(nil))
	assert.Equal(t, "Unreachable", statusOf(api.Errorf(api.CodeUnreachable, "x").WithID("CannotConnect")))
	assert.Equal(t, "NoPss", statusOf(api.Errorf(api.CodeUnreachable, "x").WithID("PssNotFound")))
	assert.Equal(t, "VersionMismatch", statusOf(api.Errorf(api.CodeVersion, "x")))
}
