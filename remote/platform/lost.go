package platform

// Life names one life of a computer or container: what ran in another one is gone.
type Life struct {
	BootID string
	Init   uint64 // start time of the first process; 0: not known
}

// PresentLife is the one in which we run.
func PresentLife() Life { return Life{BootID(), initStart()} }

// LostReason says why a session is Broken whose process ran in this life and is gone.
func LostReason(was Life) string {
	switch now := PresentLife(); {
	case was.BootID != now.BootID:
		return "the computer restarted"
	case was.Init != now.Init && was.Init != 0 && now.Init != 0:
		return "its container ended"
	}
	return "its session host ended"
}
