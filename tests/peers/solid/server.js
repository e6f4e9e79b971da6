// Solid's Community Server, in memory and on loopback alone: a pod of one account, whose resources only its owner may read.
//   the arguments are the server's own: --port, --baseUrl, --seedConfig

import { Server } from 'node:net'
import { AppRunner } from '@solid/community-server'

// It has no option for the address, and would listen on every one.
const { listen } = Server.prototype
Server.prototype.listen = function (port, ...more) { return listen.call(this, port, '127.0.0.1', ...more) }

new AppRunner().runCliSync({ argv: process.argv })
