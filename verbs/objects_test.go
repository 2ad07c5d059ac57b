package verbs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestAge(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": -time.Second, "59s": 59*time.Second + 999*time.Millisecond, "1m": time.Minute, "59m": time.Hour - 1,
		"1h": time.Hour, "47h": 48*time.Hour - 1, "2d": 48 * time.Hour, "400d": 400 * 24 * time.Hour,
	} {
		assert.Equal(t, want, age(d))
	}
}

func TestSize(t *testing.T) {
	for want, n := range map[string]int64{
		"0 B": 0, "999 B": 999, "1.0 KB": 1000, "9.9 KB": 10137, "10 KB": 10240, "999 KB": 999 << 10, "1.0 MB": 1 << 20, "1.5 GB": 3 << 29, "8192 PB": 1<<63 - 1,
	} {
		assert.Equal(t, want, size(n))
	}
}
