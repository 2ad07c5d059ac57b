package client

import (
	"slices"

	"pss/remote/planted"
	"pss/remote/platform"
)

// takeIdle returns the youngest kept connection of that kind, or nil. Those that have
// grown old are closed.
func (c *Client) takeIdle(kind string) *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := platform.BootTime()
	c.idle = slices.DeleteFunc(c.idle, func(cn *conn) bool {
		old := now-cn.used >= idleLife
		if old {
			cn.Close()
		}
		return old
	})
	for i := len(c.idle) - 1; i >= 0; i-- {
		if cn := c.idle[i]; cn.kind == kind || planted.On("connection-of-another") {
			c.idle = slices.Delete(c.idle, i, i+1)
			return cn
		}
	}
	return nil
}
