package platform

import "errors"

// ErrNoGroup says that no control group can be made here: the caller has to watch
// its processes itself.
var ErrNoGroup = errors.New("no delegated control group")
