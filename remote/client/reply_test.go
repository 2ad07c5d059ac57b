package client

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A reply comes whole whatever its size, room is taken for a large one alone, and all of
// it is given back.
func TestReplyTakesRoom(t *testing.T) {
	for _, size := range []int{0, 1, smallReply - 1, smallReply, smallReply + 1, smallReply + roomStep, smallReply + roomStep + 1, 3*roomStep + 7} {
		var held, most int64
		c := &Client{Memory: func(n int64) (func(), error) {
			held += n
			most = max(most, held)
			return func() { held -= n }, nil
		}}
		want := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		got, free, err := c.readReply(io.MultiReader(bytes.NewReader(want[:size/3]), bytes.NewReader(want[size/3:])))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(want, got), size)
		assert.GreaterOrEqual(t, most, int64(size-smallReply))
		assert.Equal(t, size >= smallReply, most > 0, size)
		free()
		assert.Zero(t, held)
	}
	c := &Client{Memory: func(int64) (func(), error) { return nil, errors.New("no room") }}
	_, free, err := c.readReply(strings.NewReader(strings.Repeat("x", 1<<20)))
	free()
	assert.EqualError(t, err, "no room")
	_, free, err = c.readReply(strings.NewReader("short"))
	free()
	assert.NoError(t, err)
}

// A reply that breaks off is none.
func TestReplyBreaksOff(t *testing.T) {
	broken := errors.New("broken")
	c := &Client{Memory: func(int64) (func(), error) { return func() {}, nil }}
	for _, size := range []int{10, smallReply, smallReply + 10, smallReply + roomStep} {
		_, free, err := c.readReply(io.MultiReader(strings.NewReader(strings.Repeat("x", size)), failing{broken}))
		free()
		assert.ErrorIs(t, err, broken, size)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
