package client_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pss/remote/api"
	"pss/remote/client"
)

func TestLimits(t *testing.T) {
	three, five := int64(3), int64(5)
	var l client.Limits
	rec := func(pipeline uint32, seq uint64, kind api.Kind, n int) error {
		return l.Take(&api.Record{Pipeline: pipeline, Seq: seq, Kind: kind, Data: []byte(strings.Repeat("x", n))}, "s")
	}
	require.NoError(t, rec(1, 1, api.KindOutput, 1000), "no option, no limit")
	l = client.Limits{}
	l.Set(&api.ConnectionOption{MaximumReceivedDataSizePerCommand: &five, MaximumReceivedObjectSize: &three})
	require.NoError(t, rec(1, 1, api.KindOutput, 3))
	require.NoError(t, rec(1, 1, api.KindOutput, 3), "the same once more")
	require.NoError(t, rec(1, 2, api.KindEnd, 100), "what is no output does not count")
	require.ErrorContains(t, rec(1, 3, api.KindError, 3), "MaximumReceivedDataSizePerCommand of 5")
	require.NoError(t, rec(2, 1, api.KindOutput, 2), "another command has its own")
	require.ErrorContains(t, rec(2, 2, api.KindOutput, 4), "MaximumReceivedObjectSize of 3")
}
