//go:build pss_next

package api

const versionSuffix = "-next"

// NextFields stands for what a later version adds to RunspaceInfo.
type NextFields struct {
	Next string `json:",omitempty"`
}

// KindNext stands for a record kind that a later version adds.
const KindNext Kind = 90
