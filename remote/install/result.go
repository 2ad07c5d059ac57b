package install

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"pss/config"
)

// defaultPort is the one that a client takes by itself.
const defaultPort = 5986

func (in *Installer) result(svc service, binary string, info config.HostInfo, done []string) *Result {
	r := &Result{
		ComputerName: computerName(info.Address), Address: info.Address, Port: info.Port, Fingerprint: info.Fingerprint,
		Service: svc.name(), Serves: "all", Binary: binary, Unit: svc.files([]string{binary})[0].path,
		Configuration: in.Paths.HostFile(), Pid: info.Pid, Changes: done,
	}
	if !in.System {
		r.Serves = in.User
		in.note("without root it serves user %s only; for all users: sudo pss enable-psremoting", in.User)
	}
	r.Command = fmt.Sprintf("PSS_FINGERPRINT=%s pss new-pssession --computer-name %s", r.Fingerprint, r.ComputerName)
	if info.Port != defaultPort {
		r.Command += " --port " + strconv.Itoa(info.Port)
	}
	return r
}

// computerName is by which others reach a host that listens on address.
func computerName(address string) string {
	if ip := net.ParseIP(address); ip != nil && !ip.IsUnspecified() {
		return address
	}
	name, err := os.Hostname()
	if err != nil {
		return address
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	full, err := net.DefaultResolver.LookupCNAME(ctx, name)
	if full = strings.TrimSuffix(full, "."); err == nil && strings.HasPrefix(strings.ToLower(full), strings.ToLower(name)+".") {
		return full // with its domain, as others know it
	}
	return name
}
