//go:build !linux

package platform

import (
	"errors"
	"os/exec"
)

// StartAs is not available here: a daemon serves its own user only.
func StartAs(Role, As) (*exec.Cmd, error) { return nil, errors.ErrUnsupported }

// BecomeCommand is the hidden role in which StartAs begins.
const BecomeCommand = "become"

// Become is not available here.
func Become([]string) error { return errors.ErrUnsupported }

// LikeALogin has nothing to do where StartAs does not work.
func LikeALogin() {}

// Conceal has nothing to do where StartAs does not work.
func Conceal() {}

// UserLimits returns none where StartAs does not work.
func UserLimits(string, []string) []UserLimit { return nil }
