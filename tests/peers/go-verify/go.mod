module quorate.test/peers/go-verify

go 1.25
