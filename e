shootdown: nothere: no run directory, found nothing
