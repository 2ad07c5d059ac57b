package host

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestLeasesLapseOnceAndOnlyAfterTheirLength(t *testing.T) {
	l := newLeases(time.Hour)
	l.renew("a")
	l.renew("")
	l.expect("b")
	assert.Empty(t, l.lapsed())
	l.length = -1 // every sign of life is now older than the lease
	assert.ElementsMatch(t, []string{"a", "b"}, l.lapsed())
	assert.Empty(t, l.lapsed(), "each agent is reported once")
}

func TestExpectDoesNotShortenALease(t *testing.T) {
	l := newLeases(time.Hour)
	l.renew("a")
	seen := l.seen["a"]
	l.expect("a")
	assert.Equal(t, seen, l.seen["a"])
}

func TestTheLaunchKeyTellsWhatASpareIsGoodFor(t *testing.T) {
	base := withVariables([]string{"HOME=/h", "PATH=/bin"}, map[string]string{"LANG": "C"})
	assert.Equal(t, []string{"HOME=/h", "PATH=/bin", "LANG=C"}, base)
	changed := withVariables(base, map[string]string{"PATH": "/x"})
	assert.Equal(t, []string{"HOME=/h", "PATH=/x", "LANG=C"}, changed)
	assert.Equal(t, "PATH=/bin", base[1], "the host's own environment stays as it is")
	assert.Equal(t, "/h", folderOf(base))
}

func TestKeyedLocksDoNotWaitForOtherKeys(t *testing.T) {
	var k keyed
	a := k.lock("a")
	b := k.lock("b")
	taken := make(chan struct{})
	go func() {
		defer close(taken)
		k.lock("a")()
	}()
	select {
	case <-taken:
		t.Fatal("the lock of a was given twice")
	default:
	}
	a()
	<-taken
	b()
	assert.Empty(t, k.held, "nothing is kept of a key that nobody holds")
}
