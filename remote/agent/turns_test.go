package agent

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pss/remote/api"
)

func TestTurnsPassInOrder(t *testing.T) {
	var ts turns
	order := make(chan int, 10)
	for i := 9; i >= 0; i-- {
		go func() {
			pass := ts.take(&api.Turn{Batch: "b", Index: i})
			order <- i
			pass()
		}()
	}
	for i := range 10 {
		assert.Equal(t, i, <-order)
	}
}

func TestAMissingTurnIsNotWaitedForLong(t *testing.T) {
	var ts turns
	ts.take(&api.Turn{})()
	ts.take(&api.Turn{Batch: "b", Index: 0}) // never passes it on
	began := time.Now()
	ts.take(&api.Turn{Batch: "b", Index: 1})()
	assert.Less(t, time.Since(began), 10*turnPatience)
	ts.take(&api.Turn{Batch: "b", Index: 2})()
}
