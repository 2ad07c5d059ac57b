package agent

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A clock is judged at the middle of a request, and not more exactly than the request
// allows.
func TestSkew(t *testing.T) {
	asked := time.Date(2026, 11, 22, 17, 0, 0, 0, time.UTC)
	const took = 100 * time.Millisecond
	assert.Nil(t, skew(time.Time{}, asked, took), "an older host does not tell")
	for there, want := range map[time.Duration]int64{
		0: 0, 50 * time.Millisecond: 0, took: 0,
		101 * time.Millisecond: 51, -time.Millisecond: -51,
		50*time.Millisecond + time.Hour: 3_600_000,
	} {
		assert.Equal(t, want, *skew(asked.Add(there), asked, took), there)
	}
}
