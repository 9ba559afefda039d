-- What wrk sends; the environment tells what (run.py). Every request is another one: a row drawn at random, or a case
-- of its own.
local token, path = os.getenv("BENCH_TOKEN"), os.getenv("BENCH_PATH")
local rows, kind, round = tonumber(os.getenv("BENCH_ROWS")), tonumber(os.getenv("BENCH_KIND")), os.getenv("BENCH_ROUND")
local which = tonumber(os.getenv("BENCH_WHICH"))
local bodies = {}
local threads, sent = 0, 0

-- One body a line.
local file = os.getenv("BENCH_BODIES")
if file then
  for line in io.lines(file) do bodies[#bodies + 1] = line end
end

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init()
  math.randomseed(tonumber(round) % 1000000 + number)
  wrk.headers["Authorization"] = "Bearer " .. token
  if #bodies > 0 then
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
  else
    -- Everything but the path is the same in all of them.
    before, after = wrk.format(nil, "@"):match("^(.-)@(.*)$")
  end
end

-- The id that the seeds give to row n of the table that `which` stands for.
local function seeded_id(n)
  local time = string.format("0%x", 1700000000000 + n)
  return time:sub(1, 8) .. "-" .. time:sub(9, 12) .. string.format("-7000-8000-%012x", which)
end

-- Somebody of whom there is no case yet: another name, and a NIK that no other request of half an hour has.
local function somebody()
  local n = (tonumber(round:sub(1, 10)) % 1600) * 10000 + 2 * sent + number
  local name = tostring(n):gsub("%d", function(digit) return ("bcdfgklmnp"):sub(digit + 1, digit + 1) .. "a" end)
  local day, month, year = 1 + n % 28, 1 + math.floor(n / 28) % 12, 50 + math.floor(n / 336) % 50
  local serial = 9000 + math.floor(n / 16800) % 1000
  return {
    name = "Siti " .. name, born = string.format("19%02d-%02d-%02d", year, month, day),
    nik = string.format("%02d%02d%02d%04d", day + 40, month, year, serial),
  }
end

function request()
  if #bodies > 0 then
    sent = sent + 1
    wrk.headers["Idempotency-Key"] = round .. "-" .. number .. "-" .. sent
    return wrk.format(nil, path, nil, (bodies[math.random(#bodies)]:gsub("@(%a+)@", somebody())))
  end
  local target = path
  if kind then
    target = path .. seeded_id(20 * math.random(0, rows / 20 - 1) + kind)
  end
  return before .. target .. after
end

function done(summary, latency)
  local e = summary.errors
  local failed = e.connect + e.read + e.write + e.timeout
  io.write(string.format('{"requests":%d,"seconds":%f,"p50":%f,"p95":%f,"p99":%f,"failed":%d,"refused":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(95) / 1000,
    latency:percentile(99) / 1000, failed, e.status))
end
