-- A webhook that was never seen is told what happens from now on. Repeated, it changes nothing.
insert into webhook (name) values (%(name)s) on conflict do nothing
