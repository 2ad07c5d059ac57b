package platform

// LostReason says why a session whose process is gone is Broken. bootID is that
// of the computer when it ran.
func LostReason(bootID string) string {
	if bootID != BootID() {
		return "the computer restarted"
	}
	return "its session host ended"
}
